"""Networks that read networks: what all metanetworks share.

A metanetwork sees a neural graph: the weights of edges, the parameters of nodes, how both are
connected and how deep they lie, which inputs and outputs they belong to. It sees no hyper-parameter
and no activation function. Hidden neurons have no number, so that it cannot tell in which order
they stand.
"""
