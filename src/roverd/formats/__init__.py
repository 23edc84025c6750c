"""Bytes in, frames out, and back. No I/O and no threads in here."""
