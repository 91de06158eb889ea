"""Layers that QD-DETR and MESM share; names of parameters are those of the released checkpoints."""
