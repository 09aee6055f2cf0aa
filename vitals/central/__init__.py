"""Beyond one computer: what stations send to one PostgreSQL, and what is read from there."""
