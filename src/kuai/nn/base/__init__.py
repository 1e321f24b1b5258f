"""What makes a module: registration, state, hooks, conversion, and `Module` itself."""
