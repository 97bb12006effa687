"""The lab: a page in the browser in which one plays with a generator and watches a run.

`server` serves it, `page_socket` answers its requests, and the browser loads `page/`. The library
knows nothing of the lab, which looks at networks and runs from outside.
"""
