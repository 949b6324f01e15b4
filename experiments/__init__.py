"""Studies, tables and benchmarks: scripts that use sslax."""
