"""What a model is given to learn from, by the names that its registry entry asks for.

Belongs here: putting ``Inputs`` together, the same way for the asset graph and for ``core.recommender``. Does not
belong here: making the inputs themselves.
"""

from collections.abc import Mapping
from typing import Any

from core.models.base import Inputs, Model
from core.pairs import ProductPairs


def model_inputs(model: Model, n_nodes: int, given: Mapping[str, Any]) -> Inputs:
    """The inputs of one training.

    Args:
        model: the model's registry entry.
        n_nodes: number of products.
        given: field of ``Inputs`` or name of a model that this one is built of → what it is; ``products`` may be the
            product pairs, whose products are taken.
    """
    fields = {name: given[name] for name in model.inputs}
    if isinstance(fields.get("products"), ProductPairs):
        fields["products"] = fields["products"].products
    return Inputs(n_nodes=n_nodes, **fields, models={name: given[name] for name in model.models})
