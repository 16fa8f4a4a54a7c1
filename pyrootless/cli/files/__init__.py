"""The verbs about the files of a container."""
