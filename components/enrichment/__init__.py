"""What a language model writes of each item, once: the prompts, the client, the answers, their checks."""
