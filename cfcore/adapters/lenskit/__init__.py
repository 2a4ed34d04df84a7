"""Components of LensKit pipelines, which `cfcore.lenskit` names."""
