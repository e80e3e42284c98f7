"""People with knowledge: who they are, what they can prove, what they signed, what was decided about them.

This floor has never heard of a lab. What a decision, an appeal or a signature is about, it knows by public id.
"""
