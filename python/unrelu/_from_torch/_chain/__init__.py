"""Reads a traced module as a chain of operations, for what dense layers cannot express.

The steps, one file each:

- what is known of a tensor: the operations that lead to it (``_link``),
- the rules, by kind of operation: ``_maps``, ``_arithmetic``, ``_moves``, ``_activations``,
- the walk over the graph that applies them (``_reader``),
- the list of operations with its tensors (``_document``; docs/OPERATIONS.md describes it),
- the same list computed in NumPy (``_axes``, ``_forward``), and its comparison with the module
  (``_proof``).
"""

from __future__ import annotations
