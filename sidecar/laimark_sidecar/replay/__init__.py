"""The fixed-size, prioritised experience replay buffer. All SQL of the project lives here."""
