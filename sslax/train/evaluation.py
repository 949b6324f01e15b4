"""x"""
def evaluate_run(*a): pass
