"""What it costs to bring a function up: its import, and the building of its parts, in fresh processes."""
