"""How well items are packed, on random sets from seeds, and a packing that is changed item by item.

Run alone or by the measurement `decisions`. It must never be imported by the product.
"""
