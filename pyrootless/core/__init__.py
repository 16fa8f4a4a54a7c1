"""The Cython doors to C: containers, the boxes of the sandbox, layers."""
