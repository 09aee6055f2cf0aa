"""The durable record: schema, writer thread, reader, audit chain."""
