"""When may training use the machine: a pure decision over what is known right now."""
