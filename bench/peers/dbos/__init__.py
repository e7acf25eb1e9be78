"""DBOS on PostgreSQL."""
