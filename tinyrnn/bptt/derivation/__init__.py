"""The recurrences of a network and of its gradients, derived from the record.

Fold ──► expressions, tidied ──► which get an equation ──► letters ──► text, LaTeX, NumPy
         reading, rules          derive                    naming      text, latex, program
"""

from .equations import Equations, equations

__all__ = ["Equations", "equations"]
