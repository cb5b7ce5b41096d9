"""Which lessons make up the next cycle: new ones, replay of the user, replay of general ability."""
