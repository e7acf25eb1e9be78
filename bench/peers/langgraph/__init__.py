"""LangGraph with its PostgreSQL checkpointer."""
