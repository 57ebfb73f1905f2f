error('it fails on purpose')
