"""Checking traces: what is missing, torn, damaged or odd, and where."""

from roverd.ops.validation.report import (
    KINDS,
    Problem,
    SensorStatistics,
    Severity,
    TraceReport,
    ValidationReport,
)
from roverd.ops.validation.run import validate
from roverd.ops.validation.schema import DEFAULT_SCHEMA, Schema, read_schema

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
