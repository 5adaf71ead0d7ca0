gv: dotted, no extension
