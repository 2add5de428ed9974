"""Networks whose published weights come without a program: written from the shapes of the weights.

Names of submodules are those of the files.
"""
