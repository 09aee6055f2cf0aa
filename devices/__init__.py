"""Device adapters: pure drivers, and the transports that carry their bytes."""
