"""Heavy (torch). Exports: the interface of exporters, the gate, and the files beside an exported model."""
