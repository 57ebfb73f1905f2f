raise RuntimeError('it fails on purpose')
