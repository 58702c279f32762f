-- The smallest and the largest.  In pg_catalog like the operators, so that they
-- are found whatever the search path.

CREATE FUNCTION smsr.eid_smaller(smsr.eid, smsr.eid) RETURNS smsr.eid
	AS 'MODULE_PATHNAME', 'smsr_eid_smaller'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION smsr.eid_smaller(smsr.eid, smsr.eid) IS 'The smaller of two';

CREATE AGGREGATE pg_catalog.min(smsr.eid) (
	SFUNC = smsr.eid_smaller,
	STYPE = smsr.eid,
	COMBINEFUNC = smsr.eid_smaller,
	SORTOP = OPERATOR(pg_catalog.<),
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.min(smsr.eid) IS 'Smallest EID of all input values';

CREATE FUNCTION smsr.eid_larger(smsr.eid, smsr.eid) RETURNS smsr.eid
	AS 'MODULE_PATHNAME', 'smsr_eid_larger'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION smsr.eid_larger(smsr.eid, smsr.eid) IS 'The larger of two';

CREATE AGGREGATE pg_catalog.max(smsr.eid) (
	SFUNC = smsr.eid_larger,
	STYPE = smsr.eid,
	COMBINEFUNC = smsr.eid_larger,
	SORTOP = OPERATOR(pg_catalog.>),
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.max(smsr.eid) IS 'Largest EID of all input values';

CREATE FUNCTION smsr.iccid_smaller(smsr.iccid, smsr.iccid) RETURNS smsr.iccid
	AS 'MODULE_PATHNAME', 'smsr_iccid_smaller'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION smsr.iccid_smaller(smsr.iccid, smsr.iccid) IS 'The smaller of two';

CREATE AGGREGATE pg_catalog.min(smsr.iccid) (
	SFUNC = smsr.iccid_smaller,
	STYPE = smsr.iccid,
	COMBINEFUNC = smsr.iccid_smaller,
	SORTOP = OPERATOR(pg_catalog.<),
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.min(smsr.iccid) IS 'Smallest ICCID of all input values';

CREATE FUNCTION smsr.iccid_larger(smsr.iccid, smsr.iccid) RETURNS smsr.iccid
	AS 'MODULE_PATHNAME', 'smsr_iccid_larger'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION smsr.iccid_larger(smsr.iccid, smsr.iccid) IS 'The larger of two';

CREATE AGGREGATE pg_catalog.max(smsr.iccid) (
	SFUNC = smsr.iccid_larger,
	STYPE = smsr.iccid,
	COMBINEFUNC = smsr.iccid_larger,
	SORTOP = OPERATOR(pg_catalog.>),
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.max(smsr.iccid) IS 'Largest ICCID of all input values';
