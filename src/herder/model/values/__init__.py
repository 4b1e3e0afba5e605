"""Values that everything else is made of: money, amounts of resources, times, counted words.

Used everywhere. They must never know what is counted.
"""
