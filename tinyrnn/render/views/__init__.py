"""Where everything stands: the steps unrolled side by side, or one rolled up, and the arrows between them."""
