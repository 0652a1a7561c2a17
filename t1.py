from common import *
rng=np.random.default_rng(0)
for rep in sys.argv[1:] or REPS:
    a=base(rep)
    print("#####",rep, a.obs["split"].value_counts().to_dict())
    ref=verbs(a)
    for n,(r,w) in ref.items():
        if isinstance(r,Exception) or w: print("   ref",n,repr(r)[:150] if isinstance(r,Exception) else "",w)
    rf=figs(a)
    for n,(r,w) in rf.items():
        if isinstance(r,Exception) or w: print("   reffig",n,repr(r)[:150] if isinstance(r,Exception) else "",w)
    perm=rng.permutation(a.n_vars)
    compare("genes shuffled", ref, verbs(a[:,perm].copy()))
    compare("genes shuffled figs", rf, figs(a[:,perm].copy()))
    b=a[:,::-1].copy(); b.var_names=list(a.var_names); compare("genes reversed but named as before (renamed!)", ref, verbs(b))
    b=a.copy(); b.var_names=["ENSG%d"%i for i in range(b.n_vars)]; compare("renamed all", ref, verbs(b))
    compare("subset genes", ref, verbs(a[:,:25].copy()))
    compare("subset genes figs", rf, figs(a[:,:25].copy()))
    m=a.copy(); extra=ad.AnnData(np.zeros((a.n_obs,3),dtype=np.float32),obs=a.obs.copy(),var=pd.DataFrame(index=["e1","e2","e3"]))
    if "log" in a.layers: extra.layers["log"]=extra.X.copy()
    m=ad.concat([m,extra],axis=1,merge="first",uns_merge="first"); m.obsm.update(a.obsm); m.uns.update(a.uns)
    compare("more genes", ref, verbs(m))
    b=a.copy(); v=b.var_names.to_numpy().astype(object).copy(); v[5]=v[6]; b.var_names=v; compare("dup var names", ref, verbs(b))
