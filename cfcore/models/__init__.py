"""Models: thin classes over the kernels, all with the manners of `cfcore.Model`; `cfcore.registry` lists them."""
