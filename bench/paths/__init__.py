"""What the engine's other paths cost: each module of this package measures one of them."""
