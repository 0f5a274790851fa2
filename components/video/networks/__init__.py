"""The networks that describe clips, transitions and voices, with the weights of their packages."""
