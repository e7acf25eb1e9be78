"""What Steersman costs on AWS: a million tasks, and a month in which nothing happens.

prices.json    public prices, dated, each with its source and how sure it is
measured.py    what a task takes, as `make bench` counted it        assumptions.py   what was not measured
million.py     Steersman's price of a million tasks, item by item   rivals.py        that of the same DAG elsewhere
templates.py   the synthesised templates                            month.py         the price of their idle month
"""
