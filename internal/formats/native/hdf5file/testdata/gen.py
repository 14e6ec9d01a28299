"""Writes the HDF5 files of this folder with h5py, and golden.json with what
the real Tiled 0.2.20 and h5py say of them. Run: python gen.py

Where Tiled fails, or serves a placeholder, the golden value is h5py's.
"""

import json
import os
import warnings

import h5py
import hdf5plugin
import numpy as np
from says import walk

warnings.simplefilter("ignore")
d = os.path.dirname(os.path.abspath(__file__))
os.chdir(d)  # external storage is relative to where one is

for lib in ("earliest", "latest"):
    with h5py.File(f"{d}/types_{lib}.h5","w",libver=lib if lib == "earliest" else ("v110", "v110")) as f:
        f.attrs["title"]="hello"; f.attrs["n"]=3; f.attrs["arr"]=np.arange(6).reshape(2,3); f.attrs["f2"]=np.float16(1.5)
        f.attrs["bytes"]=b"abc"; f.attrs["strs"]=["a","bb"]; f.attrs["bool"]=True; f.attrs["c"]=1+2j; f.attrs["empty"]=h5py.Empty("f4")
        f.attrs["u8"]=np.uint64(2**63+5); f.attrs["nan"]=np.nan; f.attrs["ld"]=np.longdouble("1.25")
        for t in "i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 >i2 >i4 >f4 >f8 >c16 f16".split():
            f[f"t_{t.replace('>','be_')}"]=np.arange(24).reshape(4,6).astype(t)
        f["bool"]=np.array([True,False,True]); f["S5"]=np.array([b"abc",b"hello"]); 
        f.create_dataset("vstr",data=["x","yyy","éé"],dtype=h5py.string_dtype())
        f["comp"]=np.array([(1,2.5,(1,2,3)),(3,4.5,(4,5,6))],dtype=[("a","i4"),("b","f8"),("c","i2",(3,))])
        f["compal"]=np.zeros(3,dtype=np.dtype([("a","i1"),("b","f8"),("n",[("x","u2"),("y",">f4")])],align=True))
        f["scalar"]=5.5; f["sstr"]="scalar string"; f["null"]=h5py.Empty("i4"); f["zero"]=np.zeros((0,5))
        f["enum"]=np.array([0,1],dtype=h5py.enum_dtype({"A":0,"B":1},basetype="u2"))
        f["opq"]=np.array([np.void(b"abcd")]*3); f["date"]=np.array(["2020-01-01"],dtype="M8[ns]").astype(h5py.opaque_dtype("M8[ns]"))
        g=f.create_group("g"); g["x"]=np.arange(3); g.attrs["units"]="mm"
        f["soft"]=h5py.SoftLink("/g/x"); f["softgroup"]=h5py.SoftLink("/g"); f["hard"]=g["x"]; f["broken"]=h5py.SoftLink("/nope"); f["ext"]=h5py.ExternalLink("other.h5","/data"); f["extbroken"]=h5py.ExternalLink("gone.h5","/data"); f["extout"]=h5py.ExternalLink("/etc/passwd","/data")
        f["refs"]=np.array([g.ref,g["x"].ref],dtype=h5py.ref_dtype); f["regref"]=np.array([g["x"].regionref[0:2]],dtype=h5py.regionref_dtype)
        f.create_dataset("vlen",(2,),dtype=h5py.vlen_dtype("i4"))[0]=[1,2,3]
        f.create_dataset("chunk",data=np.arange(100*100).reshape(100,100),chunks=(30,40))
        for name,kw in {"gzip":dict(compression="gzip"),"gzsh":dict(compression="gzip",shuffle=True),"fl":dict(fletcher32=True),"gzfl":dict(compression="gzip",shuffle=True,fletcher32=True),"lzf":dict(compression="lzf"),"szip":dict(compression="szip"),"so":dict(scaleoffset=0),
             "blosc":hdf5plugin.Blosc(),"bloscz":hdf5plugin.Blosc(cname="zstd",shuffle=2),"lz4":hdf5plugin.LZ4(),"zstd":hdf5plugin.Zstd(),"bs":hdf5plugin.Bitshuffle(cname="none"),"bslz4":hdf5plugin.Bitshuffle(),"bszstd":hdf5plugin.Bitshuffle(cname="zstd"),"blosc2":hdf5plugin.Blosc2()}.items():
            try: f.create_dataset("f_"+name,data=(np.arange(100*101).reshape(100,101)%977).astype("i4"),chunks=(50,64),**kw)
            except Exception as e: print(name,e)
        f.create_dataset("unlim",data=np.arange(40).reshape(8,5),chunks=(3,5),maxshape=(None,5))
        f.create_dataset("unlim2",data=np.arange(40).reshape(8,5),chunks=(3,2),maxshape=(None,None))
        f.create_dataset("fixedidx",data=np.arange(40).reshape(8,5),chunks=(8,5))
        f.create_dataset("sparse",(1000,1000),chunks=(100,100),dtype="i2",fillvalue=7)[150:160,150:160]=1
        f.create_dataset("never",(50,60),dtype="f4",fillvalue=-1)
        f.create_dataset("tiny",data=np.arange(2000),chunks=(1,),maxshape=(None,)) if lib == "latest" else None
        f.create_dataset("extern",(10,4),dtype="<i4",external=[("raw1.bin",0,80),("raw2.bin",16,h5py.h5f.UNLIMITED)])
        dcpl=h5py.h5p.create(h5py.h5p.DATASET_CREATE); dcpl.set_layout(h5py.h5d.COMPACT)
        sid=h5py.h5s.create_simple((5,)); ds=h5py.h5d.create(f.id,b"compact",h5py.h5t.NATIVE_INT32,sid,dcpl); ds.write(h5py.h5s.ALL,h5py.h5s.ALL,np.arange(5,dtype="i4"))
        t3=h5py.h5t.STD_I32LE.copy(); t3.set_precision(24); t3.set_size(3)
        dd=h5py.h5d.create(f.id,b"odd12",t3,sid); dd.write(h5py.h5s.ALL,h5py.h5s.ALL,np.arange(5,dtype="i4"),mtype=h5py.h5t.NATIVE_INT32)
        lay=h5py.VirtualLayout((4,10),dtype="i8",maxshape=(4,10))
        for i in range(4): lay[i]=h5py.VirtualSource(f"src{i}.h5","d",shape=(10,))
        f.create_virtual_dataset("vds",lay,fillvalue=-9)
with h5py.File(f"{d}/other.h5","w") as f: f["data"]=np.arange(12).reshape(3,4)
np.arange(20,dtype="i4").tofile(f"{d}/raw1.bin"); 
with open(f"{d}/raw2.bin","wb") as fh: fh.write(b"x"*16); np.arange(100,120,dtype="i4").tofile(fh)
for i in range(3):
    with h5py.File(f"{d}/src{i}.h5","w") as f: f["d"]=np.arange(10)*(i+1)
with h5py.File(f"{d}/user.h5","w",userblock_size=512) as f: f["x"]=np.arange(1000)
with h5py.File(f"{d}/committed.hdf5","w") as f:
    f["named"]=np.dtype("f8"); f["x"]=np.arange(3)

# Files that lead out of their folder, each in another way; "inside" leads in.
def links(where, path):
    with h5py.File(path, "w") as f:
        f["link"] = h5py.ExternalLink(f"{where}/secret.h5", "/data")
        f.create_dataset("raw", (3, 4), dtype="<i8", external=[(f"{where}/raw.bin", 0, h5py.h5f.UNLIMITED)])
        for name, source in (("virtual", f"{where}/secret.h5"), ("nested", "nested.h5")):
            lay = h5py.VirtualLayout((3, 4), dtype="i8")
            lay[:] = h5py.VirtualSource(source, "data", shape=(3, 4))
            f.create_virtual_dataset(name, lay, fillvalue=-1)
        lay = h5py.VirtualLayout((3, 4), dtype="i8")
        lay[:] = h5py.VirtualSource("nested.h5", "link", shape=(3, 4))
        f.create_virtual_dataset("through", lay, fillvalue=-1)


os.makedirs("links", exist_ok=True)
for where in ("out", "in"):
    os.makedirs(f"links/{where}", exist_ok=True)
    target = "../outside" if where == "out" else "sub"
    links(target, f"links/{where}/links.h5")
    with h5py.File(f"links/{where}/nested.h5", "w") as f:
        lay = h5py.VirtualLayout((3, 4), dtype="i8")
        lay[:] = h5py.VirtualSource(f"{target}/secret.h5", "data", shape=(3, 4))
        f.create_virtual_dataset("data", lay, fillvalue=-1)
        f["link"] = h5py.ExternalLink(f"{target}/secret.h5", "/data")
    with h5py.File(f"links/{where}/numbered.h5", "w", libver=("v110", "v110")) as f:
        space = h5py.h5s.create_simple((0, 5), (h5py.h5s.UNLIMITED, 5))
        space.set_extent_simple((0, 5), (h5py.h5s.UNLIMITED, 5))
        space.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED, 1), stride=(2, 5), block=(2, 5))
        source = h5py.h5s.create_simple((2, 5))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_virtual(space, b"part%b.h5", b"/d", source)
        plist.set_fill_value(np.array([-3], dtype="i8"))
        h5py.h5d.create(f.id, b"d", h5py.h5t.STD_I64LE, h5py.h5s.create_simple((0, 5), (h5py.h5s.UNLIMITED, 5)), plist)
for n in range(3):
    with h5py.File(f"links/part{n}.h5", "w") as f:
        f["d"] = np.full((2, 5), n)


cases = []
for name in sorted(os.listdir(d)):
    if name.endswith(".h5") and not name.startswith(("src", "odd", "filters", "mosaic")):
        with h5py.File(os.path.join(d, name)) as f:
            walk(name, f, [], cases)
with open(os.path.join(d, "golden.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, sort_keys=True) for c in cases) + "\n]\n")
print(len(cases), "cases;", sum("tiled" in c for c in cases), "that Tiled fails on")
