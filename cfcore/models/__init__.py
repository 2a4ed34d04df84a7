"""Models: thin classes over the kernels, all subclasses of `cfcore.Model`; `cfcore.registry` lists them."""
