"""Datasets in PAGE XML and ALTO, the formats of libraries and archives."""
