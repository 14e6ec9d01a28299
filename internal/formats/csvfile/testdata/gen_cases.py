"""Writes cases.json: what pandas.read_csv makes of small files.

Run with pandas 2.3 (tests/requirements.txt): python gen_cases.py
"""

import base64
import io
import json
import math
import warnings

import numpy
import pandas

warnings.filterwarnings("ignore")

NA = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
]

CASES = {
    "plain": "a,b,c\n1,1.5,x\n2,2.5,y\n",
    "no trailing newline": "a,b\n1,2\n3,4",
    "crlf": "a,b\r\n1,2\r\n3,4\r\n",
    "lone cr": "a,b\r1,2\r3,4\r",
    "mixed ends": "a,b\r\n1,2\r3,4\n5,6",
    "crlf in quotes": 'a,b\r\n"1\r\n2",x\r\n3,y\r\n',
    "header only": "a,b\n",
    "header only, no newline": "a,b",
    "header and blank lines": "a,b\n\n\n",
    "one column": "a\n1\n2\n",
    "one column with blank": "a\n1\n\n2\n",
    "blank lines": "\n\na,b\n\n1,2\n\n\n3,4\n\n",
    "lines of spaces": "  \na,b\n   \n1,2\n \t \n3,4\n",
    "leading spaces": "a,b\n  1, 2\n 3 ,4 \n",
    "leading spaces text": "a,b\n  x, y\n z ,w \n",
    "spaces in names": " a , b\n1,2\n",
    "quoted": 'a,b\n"x","1"\n"y","2"\n',
    "quoted delimiter": 'a,b\n"x,1",2\n"y,,",3\n',
    "quoted newline": 'a,b\n"x\ny",2\n"\n\n",3\n',
    "doubled quotes": 'a,b\n"x""y",2\n"""",3\n"""""",4\n',
    "quote inside": 'a,b\nx"y,2\nz",3\n"w"v,4\n"w"v"u,5\n',
    "quote after space": 'a,b\n "x,1"\n "y",2\n',
    "quoted header": '"a,1","b ""x""\ny"\n1,2\n',
    "quote opened inside a text": 'a,b\nx"1\n2",3\n',
    "open quote": 'a,b\n"x,2\n3,4\n',
    "open quote at the end": 'a,b\n1,2\n3,"',
    "closed quote at the end": 'a,b\n1,2\n3,"x"',
    "empty quoted": 'a,b\n"",1\nx,2\n',
    "quoted missing": 'a,b\n"NA",1\n3,"nan"\n',
    "empty quoted only column": 'a\n""\n1\n',
    "missing numbers": "a,b\n1,\n,2.5\n",
    "missing bools": "a\nTrue\nNA\nFalse\n",
    "missing text": "a,b\nx,1\nNA,2\n,3\n",
    "all missing": "a,b\n,1\n,2\n",
    "bools": "a,b,c\nTrue,TRUE,true\nFalse,FALSE,false\n",
    "not bools": "a,b,c,d\ntRue,T,yes,1\nFalse,F,no,True\n",
    "bool with space": "a,b\n True,1\nFalse,2\n",
    "bools and numbers": "a,b\nTrue,1.5\n1,False\n",
    "numbers and text": "a,b\n1,x\ny,2\n",
    "int edges": "a,b\n9223372036854775807,-9223372036854775808\n0,0\n",
    "uint64": "a\n9223372036854775808\n1\n",
    "uint64 edge": "a\n18446744073709551615\n0\n",
    "beyond uint64": "a\n18446744073709551616\n1\n",
    "uint64 and negative": "a\n9223372036854775808\n-1\n",
    "uint64 and missing": "a,b\n9223372036854775808,1\n,2\n",
    "beyond uint64 and missing": "a,b\n18446744073709551616,1\n,2\n",
    "uint64 and float": "a\n9223372036854775808\n1.5\n",
    "beyond uint64 and float": "a\n18446744073709551616\n1.5\n",
    "float then beyond uint64": "a\n1.5\n18446744073709551616\n",
    "beyond int64 below": "a\n-9223372036854775809\n1\n",
    "beyond int64 below and float": "a\n-9223372036854775809\n1.5\n",
    "uint64 and text": "a\n9223372036854775808\nx\n",
    "text and uint64": "a\nx\n9223372036854775808\n",
    "beyond uint64 and text": "a\n18446744073709551616\nx\n",
    "plus": "a,b\n+1,+1.5\n-1,-1.5\n",
    "signs": "a,b,c\n-,+,--1\n1,2,3\n",
    "leading zeros": "a,b\n007,00.50\n010,01e1\n",
    "float forms": "a,b,c,d,e\n.5,5.,1e5,1E-5,1e+05\n1,2,3,4,5\n",
    "bad floats": "a,b,c,d,e,f\n.,1e,e5,1.2.3,0x10,1_000\n1,2,3,4,5,6\n",
    "more bad floats": "a,b,c,d\n1e5.5,1f,1 2,1e+\n1,2,3,4\n",
    "float range": "a,b,c,d\n1e308,1e-308,1e400,1e-400\n-1e308,4.9e-324,-1e400,1\n",
    "infinities": "a,b,c,d,e,f\ninf,-inf,+inf,Infinity,-Infinity,INF\n1,2,3,4,5,6\n",
    "more infinities": "a,b,c,d\n+Infinity,iNfInItY,infin, inf\n1,2,3,4\n",
    "float spaces": "a,b,c\n 1.5,2.5 , 3.5 \n1,2,3\n",
    "tab spaces": "a,b\n\t1,2\t\n3,4\n",
    "spaces only": "a,b\n ,1\n2,  \n",
    "space and missing": "a,b\n NA,1\n2, nan \n",
    "long digits": "a,b\n0.1000000000000000055511151231257827,123456789012345678901234567890.5\n1,2\n",
    "complex and thousands": 'a,b\n1+2j,"1,000"\n2,3\n',
    "dates": "a,b\n2020-01-01,2020-01-01T00:00:00\n2021-01-01,2021-01-01 10:00\n",
    "percent and money": "a,b\n1%,$2\n3%,$4\n",
    "short rows": "a,b,c\n1\n2,3\n4,5,6\n",
    "short first, long later": "a,b,c\n1\n2,3,4,5\n",
    "long row": "a,b\n1,2\n3,4,5\n",
    "long row after blanks": 'a,b\n\n1,"x\ny"\n\n3,4,5\n',
    "long first row": "a,b\n0,1,2\n3,4,5\n",
    "two index columns": "a,b\nx,0,1,2\ny,3,4,5\n",
    "index then short": "a,b\nx,1,2\ny,3\n",
    "trailing delimiters": "a,b\n1,2,\n3,4,\n",
    "trailing delimiter in header": "a,b,\n1,2,\n3,4,\n",
    "trailing delimiter in header only": "a,b,\n1,2\n3,4\n",
    "trailing empties beyond": "a,b\n1,2\n3,4,\n",
    "duplicates": "x,x,y,x\n1,2,3,4\n",
    "duplicates taken": "x,x.1,x,x\n1,2,3,4\n",
    "duplicates chain": "x,x,x.1,x.1\n1,2,3,4\n",
    "empty names": "a,,c,\n1,2,3,4\n",
    "all names empty": ",,\n1,2,3\n",
    "unnamed taken": ",Unnamed: 0,x\n1,2,3\n",
    "quoted empty name": '"",b\n1,2\n',
    "space name": " ,b\n1,2\n",
    "number names": "1,2.5,True\n1,2,3\n",
    "missing names": "NA,nan,b\n1,2,3\n",
    "underscore": "_a,b\n1,2\n",
    "unicode": "é,日本\nü,😀\nß,x\n",
    "bom": "\ufeffa,b\n1,2\n",
    "bom and quotes": '\ufeff"a",b\n1,2\n',
    "bom only": "\ufeff",
    "empty": "",
    "newline only": "\n",
    "newlines only": "\n\n\r\n",
    "spaces file": "   ",
    "delimiter only": ",",
    "delimiters": ",\n,\n,\n",
    "index looking": ",a\n0,1\n1,2\n",
    "comment": "# hello\na,b\n1,2\n",
    "comments kept": "a,b\n#1,2\n3,4\n",
    "semicolons": "a;b\n1;2\n",
    "tabs in csv": "a\tb\n1\t2\n",
    "one value": "a",
    "text like na": "a\nna\nNan\nNULLS\nnone\n#n/a\n",
    "all of na": "a,b\n" + "".join(f"{x},1\n" for x in NA),
    "all of na among text": "a,b\nx,0\n" + "".join(f"{x},1\n" for x in NA),
    "exponent int": "a\n1e3\n2\n",
    "minus zero": "a,b\n-0,-0.0\n1,2\n",
    "int with many zeros": "a\n00000000000000000000000000001\n2\n",
    "int with spaces": "a\n 1 \n2\n",
    "text with quotes and crlf": 'a,b\r\n"He said ""hi""\r\nthere",1\r\n',
    "ends in cr": "a,b\n1,2\r",
    "ends in delimiter": "a,b\n1,",
    "ends in two": "a,b\n1,2\n,",
    "quote then cr": 'a,b\n"x"\r"y",2\n',
}

TSV = {"tab": "a\tb c\tb,c\n1\tx y\t2\n\t\t3\n4\t \t\n", "tab spaces": "a\tb\n \t1\n2 \t 3\n"}


def value(v):
    if v is None or v is pandas.NA or isinstance(v, float) and math.isnan(v):
        return None
    if isinstance(v, (bool, numpy.bool_)):
        return bool(v)
    if isinstance(v, (int, numpy.integer)):
        return str(int(v))
    if isinstance(v, (float, numpy.floating)):
        return repr(float(v))
    return v


def kind(series):
    if series.dtype != object:
        return str(series.dtype)
    known = {type(v) for v in series if not (v is None or isinstance(v, float))}
    return "bool" if known == {bool} else "string"


def case(name, data, sep=","):
    out = {"name": name, "data": base64.b64encode(data).decode(), "sep": sep}
    try:
        df = pandas.read_csv(io.BytesIO(data), sep=sep, float_precision="round_trip", low_memory=False)
    except Exception as err:
        return {**out, "error": f"{type(err).__name__}: {err}"}
    columns = []
    if not isinstance(df.index, pandas.RangeIndex):
        for level in range(df.index.nlevels):
            s = pandas.Series(df.index.get_level_values(level))
            columns.append({"index": level, "kind": kind(s), "values": [value(v) for v in s]})
    for i, name in enumerate(df.columns):
        s = df.iloc[:, i]
        columns.append({"name": name, "kind": kind(s), "values": [value(v) for v in s]})
    return {**out, "columns": columns, "rows": len(df)}


cases = [case(n, t.encode()) for n, t in CASES.items()] + [case(n, t.encode(), "\t") for n, t in TSV.items()]
with open("cases.json", "w") as f:
    json.dump({"pandas": pandas.__version__, "cases": cases}, f, indent=0, ensure_ascii=False)
    f.write("\n")
