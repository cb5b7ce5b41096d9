"""From exchanges to learning examples: pure functions over the conversation tree."""
