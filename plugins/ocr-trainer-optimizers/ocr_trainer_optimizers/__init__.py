"""The optimizers Lion and Muon, from pytorch_optimizer."""
