"""The command `ctf`, one module a verb."""
