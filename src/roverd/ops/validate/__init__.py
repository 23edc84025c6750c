"""Checking traces: what is missing, torn, damaged or odd, and where."""

from roverd.ops.validate.report import (
    KINDS,
    Problem,
    SensorStatistics,
    Severity,
    TraceReport,
    ValidationReport,
)
from roverd.ops.validate.run import validate
from roverd.ops.validate.schema import DEFAULT_SCHEMA, Schema, read_schema

__all__ = [
    "DEFAULT_SCHEMA",
    "KINDS",
    "Problem",
    "Schema",
    "SensorStatistics",
    "Severity",
    "TraceReport",
    "ValidationReport",
    "read_schema",
    "validate",
]
