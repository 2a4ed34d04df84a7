"""The reference twins: same names and signatures as ``cfcore.kernels``, in NumPy or plain Python.

They exist to be read and to be checked against. ``cfcore.backend("reference")`` runs any model on them.
"""
