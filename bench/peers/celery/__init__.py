"""Celery on Redis."""
