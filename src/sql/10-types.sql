-- eUICC, profile and application identifiers.
--
-- Their operators are in pg_catalog: a search path need not name smsr for
-- "WHERE eid = '8904...'" to find them and, with them, the index.

CREATE TYPE smsr.eid;

CREATE FUNCTION smsr.eid_in(cstring) RETURNS smsr.eid
	AS 'MODULE_PATHNAME', 'smsr_eid_in'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_in(cstring) IS 'Input of smsr.eid';

CREATE FUNCTION smsr.eid_out(smsr.eid) RETURNS cstring
	AS 'MODULE_PATHNAME', 'smsr_eid_out'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_out(smsr.eid) IS 'Output of smsr.eid';

CREATE FUNCTION smsr.eid_recv(internal) RETURNS smsr.eid
	AS 'MODULE_PATHNAME', 'smsr_eid_recv'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_recv(internal) IS 'Binary input of smsr.eid: the octets, checked as text is';

CREATE FUNCTION smsr.eid_send(smsr.eid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_eid_send'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_send(smsr.eid) IS 'Binary output of smsr.eid: the octets';

CREATE TYPE smsr.eid (
	INPUT = smsr.eid_in,
	OUTPUT = smsr.eid_out,
	RECEIVE = smsr.eid_recv,
	SEND = smsr.eid_send,
	INTERNALLENGTH = 16,
	ALIGNMENT = char,
	STORAGE = plain
);
COMMENT ON TYPE smsr.eid IS 'EID: 32 decimal digits with their check digits, kept as 16 octets of BCD (SGP.02 clause 2.2.2)';

CREATE FUNCTION smsr.eid_eq(smsr.eid, smsr.eid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_eid_eq'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_eq(smsr.eid, smsr.eid) IS 'Implements the operator for equal';

CREATE FUNCTION smsr.eid_ne(smsr.eid, smsr.eid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_eid_ne'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_ne(smsr.eid, smsr.eid) IS 'Implements the operator for not equal';

CREATE FUNCTION smsr.eid_lt(smsr.eid, smsr.eid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_eid_lt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_lt(smsr.eid, smsr.eid) IS 'Implements the operator for less than';

CREATE FUNCTION smsr.eid_le(smsr.eid, smsr.eid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_eid_le'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_le(smsr.eid, smsr.eid) IS 'Implements the operator for less than or equal';

CREATE FUNCTION smsr.eid_gt(smsr.eid, smsr.eid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_eid_gt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_gt(smsr.eid, smsr.eid) IS 'Implements the operator for greater than';

CREATE FUNCTION smsr.eid_ge(smsr.eid, smsr.eid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_eid_ge'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_ge(smsr.eid, smsr.eid) IS 'Implements the operator for greater than or equal';

CREATE FUNCTION smsr.eid_cmp(smsr.eid, smsr.eid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_eid_cmp'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_cmp(smsr.eid, smsr.eid) IS 'Less than 0, 0 or more than 0, as the first sorts before, with or after the second';

CREATE FUNCTION smsr.eid_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'smsr_eid_sortsupport'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_sortsupport(internal) IS 'Sort support';

CREATE FUNCTION smsr.hash_eid(smsr.eid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_hash_eid'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.hash_eid(smsr.eid) IS 'Hash';

CREATE FUNCTION smsr.hash_eid_extended(smsr.eid, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'smsr_hash_eid_extended'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.hash_eid_extended(smsr.eid, bigint) IS 'Hash with a seed, as hash partitioning uses it';

CREATE OPERATOR pg_catalog.= (
	LEFTARG = smsr.eid,
	RIGHTARG = smsr.eid,
	FUNCTION = smsr.eid_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=),
	NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel,
	HASHES,
	MERGES
);
COMMENT ON OPERATOR pg_catalog.= (smsr.eid, smsr.eid) IS 'Equal';

CREATE OPERATOR pg_catalog.<> (
	LEFTARG = smsr.eid,
	RIGHTARG = smsr.eid,
	FUNCTION = smsr.eid_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>),
	NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (smsr.eid, smsr.eid) IS 'Not equal';

CREATE OPERATOR pg_catalog.< (
	LEFTARG = smsr.eid,
	RIGHTARG = smsr.eid,
	FUNCTION = smsr.eid_lt,
	COMMUTATOR = OPERATOR(pg_catalog.>),
	NEGATOR = OPERATOR(pg_catalog.>=),
	RESTRICT = scalarltsel,
	JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (smsr.eid, smsr.eid) IS 'Less than';

CREATE OPERATOR pg_catalog.<= (
	LEFTARG = smsr.eid,
	RIGHTARG = smsr.eid,
	FUNCTION = smsr.eid_le,
	COMMUTATOR = OPERATOR(pg_catalog.>=),
	NEGATOR = OPERATOR(pg_catalog.>),
	RESTRICT = scalarlesel,
	JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (smsr.eid, smsr.eid) IS 'Less than or equal';

CREATE OPERATOR pg_catalog.> (
	LEFTARG = smsr.eid,
	RIGHTARG = smsr.eid,
	FUNCTION = smsr.eid_gt,
	COMMUTATOR = OPERATOR(pg_catalog.<),
	NEGATOR = OPERATOR(pg_catalog.<=),
	RESTRICT = scalargtsel,
	JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (smsr.eid, smsr.eid) IS 'Greater than';

CREATE OPERATOR pg_catalog.>= (
	LEFTARG = smsr.eid,
	RIGHTARG = smsr.eid,
	FUNCTION = smsr.eid_ge,
	COMMUTATOR = OPERATOR(pg_catalog.<=),
	NEGATOR = OPERATOR(pg_catalog.<),
	RESTRICT = scalargesel,
	JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (smsr.eid, smsr.eid) IS 'Greater than or equal';

CREATE OPERATOR CLASS smsr.eid_ops DEFAULT FOR TYPE smsr.eid USING btree AS
	OPERATOR 1 pg_catalog.<,
	OPERATOR 2 pg_catalog.<=,
	OPERATOR 3 pg_catalog.=,
	OPERATOR 4 pg_catalog.>=,
	OPERATOR 5 pg_catalog.>,
	FUNCTION 1 smsr.eid_cmp(smsr.eid, smsr.eid),
	FUNCTION 2 smsr.eid_sortsupport(internal),
	FUNCTION 4 pg_catalog.btequalimage(oid);
COMMENT ON OPERATOR CLASS smsr.eid_ops USING btree IS 'B-tree operators of smsr.eid: the order of digits';
COMMENT ON OPERATOR FAMILY smsr.eid_ops USING btree IS 'B-tree operators of smsr.eid';

CREATE OPERATOR CLASS smsr.eid_ops DEFAULT FOR TYPE smsr.eid USING hash AS
	OPERATOR 1 pg_catalog.=,
	FUNCTION 1 smsr.hash_eid(smsr.eid),
	FUNCTION 2 smsr.hash_eid_extended(smsr.eid, bigint);
COMMENT ON OPERATOR CLASS smsr.eid_ops USING hash IS 'Hash operators of smsr.eid';
COMMENT ON OPERATOR FAMILY smsr.eid_ops USING hash IS 'Hash operators of smsr.eid';

CREATE CAST (text AS smsr.eid) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (text AS smsr.eid) IS 'Reads the text, with every check';

CREATE CAST (smsr.eid AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (smsr.eid AS text) IS 'As it is written';

CREATE FUNCTION smsr.eid(bytea) RETURNS smsr.eid
	AS 'MODULE_PATHNAME', 'smsr_eid_from_bytea'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid(bytea) IS 'Octets as smsr.eid, with every check';

CREATE CAST (bytea AS smsr.eid) WITH FUNCTION smsr.eid(bytea);
COMMENT ON CAST (bytea AS smsr.eid) IS 'Octets as smsr.eid, with every check';

CREATE FUNCTION smsr.bytea(smsr.eid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_eid_to_bytea'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.bytea(smsr.eid) IS 'The 16 octets of smsr.eid';

CREATE CAST (smsr.eid AS bytea) WITH FUNCTION smsr.bytea(smsr.eid) AS ASSIGNMENT;
COMMENT ON CAST (smsr.eid AS bytea) IS 'The 16 octets';

CREATE FUNCTION smsr.eid_hash(smsr.eid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_eid_hash'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.eid_hash(smsr.eid) IS 'CRC-32 (ISO/IEC 13239, as in zlib) of the 16 octets, as a signed number: places an eUICC on a shard, and will never change';

CREATE TYPE smsr.iccid;

CREATE FUNCTION smsr.iccid_in(cstring) RETURNS smsr.iccid
	AS 'MODULE_PATHNAME', 'smsr_iccid_in'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_in(cstring) IS 'Input of smsr.iccid';

CREATE FUNCTION smsr.iccid_out(smsr.iccid) RETURNS cstring
	AS 'MODULE_PATHNAME', 'smsr_iccid_out'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_out(smsr.iccid) IS 'Output of smsr.iccid';

CREATE FUNCTION smsr.iccid_recv(internal) RETURNS smsr.iccid
	AS 'MODULE_PATHNAME', 'smsr_iccid_recv'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_recv(internal) IS 'Binary input of smsr.iccid: the octets, checked as text is';

CREATE FUNCTION smsr.iccid_send(smsr.iccid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_iccid_send'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_send(smsr.iccid) IS 'Binary output of smsr.iccid: the octets';

CREATE TYPE smsr.iccid (
	INPUT = smsr.iccid_in,
	OUTPUT = smsr.iccid_out,
	RECEIVE = smsr.iccid_recv,
	SEND = smsr.iccid_send,
	INTERNALLENGTH = 10,
	ALIGNMENT = char,
	STORAGE = plain
);
COMMENT ON TYPE smsr.iccid IS 'ICCID: 19 or 20 decimal digits, kept as 10 octets of BCD; the Luhn digit is not enforced (ITU-T E.118)';

CREATE FUNCTION smsr.iccid_eq(smsr.iccid, smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_eq'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_eq(smsr.iccid, smsr.iccid) IS 'Implements the operator for equal';

CREATE FUNCTION smsr.iccid_ne(smsr.iccid, smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_ne'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_ne(smsr.iccid, smsr.iccid) IS 'Implements the operator for not equal';

CREATE FUNCTION smsr.iccid_lt(smsr.iccid, smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_lt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_lt(smsr.iccid, smsr.iccid) IS 'Implements the operator for less than';

CREATE FUNCTION smsr.iccid_le(smsr.iccid, smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_le'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_le(smsr.iccid, smsr.iccid) IS 'Implements the operator for less than or equal';

CREATE FUNCTION smsr.iccid_gt(smsr.iccid, smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_gt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_gt(smsr.iccid, smsr.iccid) IS 'Implements the operator for greater than';

CREATE FUNCTION smsr.iccid_ge(smsr.iccid, smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_ge'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_ge(smsr.iccid, smsr.iccid) IS 'Implements the operator for greater than or equal';

CREATE FUNCTION smsr.iccid_cmp(smsr.iccid, smsr.iccid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_iccid_cmp'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_cmp(smsr.iccid, smsr.iccid) IS 'Less than 0, 0 or more than 0, as the first sorts before, with or after the second';

CREATE FUNCTION smsr.iccid_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'smsr_iccid_sortsupport'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_sortsupport(internal) IS 'Sort support';

CREATE FUNCTION smsr.hash_iccid(smsr.iccid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_hash_iccid'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.hash_iccid(smsr.iccid) IS 'Hash';

CREATE FUNCTION smsr.hash_iccid_extended(smsr.iccid, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'smsr_hash_iccid_extended'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.hash_iccid_extended(smsr.iccid, bigint) IS 'Hash with a seed, as hash partitioning uses it';

CREATE OPERATOR pg_catalog.= (
	LEFTARG = smsr.iccid,
	RIGHTARG = smsr.iccid,
	FUNCTION = smsr.iccid_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=),
	NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel,
	HASHES,
	MERGES
);
COMMENT ON OPERATOR pg_catalog.= (smsr.iccid, smsr.iccid) IS 'Equal';

CREATE OPERATOR pg_catalog.<> (
	LEFTARG = smsr.iccid,
	RIGHTARG = smsr.iccid,
	FUNCTION = smsr.iccid_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>),
	NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (smsr.iccid, smsr.iccid) IS 'Not equal';

CREATE OPERATOR pg_catalog.< (
	LEFTARG = smsr.iccid,
	RIGHTARG = smsr.iccid,
	FUNCTION = smsr.iccid_lt,
	COMMUTATOR = OPERATOR(pg_catalog.>),
	NEGATOR = OPERATOR(pg_catalog.>=),
	RESTRICT = scalarltsel,
	JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (smsr.iccid, smsr.iccid) IS 'Less than';

CREATE OPERATOR pg_catalog.<= (
	LEFTARG = smsr.iccid,
	RIGHTARG = smsr.iccid,
	FUNCTION = smsr.iccid_le,
	COMMUTATOR = OPERATOR(pg_catalog.>=),
	NEGATOR = OPERATOR(pg_catalog.>),
	RESTRICT = scalarlesel,
	JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (smsr.iccid, smsr.iccid) IS 'Less than or equal';

CREATE OPERATOR pg_catalog.> (
	LEFTARG = smsr.iccid,
	RIGHTARG = smsr.iccid,
	FUNCTION = smsr.iccid_gt,
	COMMUTATOR = OPERATOR(pg_catalog.<),
	NEGATOR = OPERATOR(pg_catalog.<=),
	RESTRICT = scalargtsel,
	JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (smsr.iccid, smsr.iccid) IS 'Greater than';

CREATE OPERATOR pg_catalog.>= (
	LEFTARG = smsr.iccid,
	RIGHTARG = smsr.iccid,
	FUNCTION = smsr.iccid_ge,
	COMMUTATOR = OPERATOR(pg_catalog.<=),
	NEGATOR = OPERATOR(pg_catalog.<),
	RESTRICT = scalargesel,
	JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (smsr.iccid, smsr.iccid) IS 'Greater than or equal';

CREATE OPERATOR CLASS smsr.iccid_ops DEFAULT FOR TYPE smsr.iccid USING btree AS
	OPERATOR 1 pg_catalog.<,
	OPERATOR 2 pg_catalog.<=,
	OPERATOR 3 pg_catalog.=,
	OPERATOR 4 pg_catalog.>=,
	OPERATOR 5 pg_catalog.>,
	FUNCTION 1 smsr.iccid_cmp(smsr.iccid, smsr.iccid),
	FUNCTION 2 smsr.iccid_sortsupport(internal),
	FUNCTION 4 pg_catalog.btequalimage(oid);
COMMENT ON OPERATOR CLASS smsr.iccid_ops USING btree IS 'B-tree operators of smsr.iccid: the order of digits';
COMMENT ON OPERATOR FAMILY smsr.iccid_ops USING btree IS 'B-tree operators of smsr.iccid';

CREATE OPERATOR CLASS smsr.iccid_ops DEFAULT FOR TYPE smsr.iccid USING hash AS
	OPERATOR 1 pg_catalog.=,
	FUNCTION 1 smsr.hash_iccid(smsr.iccid),
	FUNCTION 2 smsr.hash_iccid_extended(smsr.iccid, bigint);
COMMENT ON OPERATOR CLASS smsr.iccid_ops USING hash IS 'Hash operators of smsr.iccid';
COMMENT ON OPERATOR FAMILY smsr.iccid_ops USING hash IS 'Hash operators of smsr.iccid';

CREATE CAST (text AS smsr.iccid) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (text AS smsr.iccid) IS 'Reads the text, with every check';

CREATE CAST (smsr.iccid AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (smsr.iccid AS text) IS 'As it is written';

CREATE FUNCTION smsr.iccid(bytea) RETURNS smsr.iccid
	AS 'MODULE_PATHNAME', 'smsr_iccid_from_bytea'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid(bytea) IS 'Octets as smsr.iccid, with every check';

CREATE CAST (bytea AS smsr.iccid) WITH FUNCTION smsr.iccid(bytea);
COMMENT ON CAST (bytea AS smsr.iccid) IS 'Octets as smsr.iccid, with every check';

CREATE FUNCTION smsr.bytea(smsr.iccid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_iccid_to_bytea'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.bytea(smsr.iccid) IS 'The 10 octets of smsr.iccid';

CREATE CAST (smsr.iccid AS bytea) WITH FUNCTION smsr.bytea(smsr.iccid) AS ASSIGNMENT;
COMMENT ON CAST (smsr.iccid AS bytea) IS 'The 10 octets';

CREATE FUNCTION smsr.iccid_luhn_ok(smsr.iccid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_iccid_luhn_ok'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.iccid_luhn_ok(smsr.iccid) IS 'Whether the last digit is the Luhn digit of the others (ITU-T E.118)';

CREATE TYPE smsr.aid;

CREATE FUNCTION smsr.aid_in(cstring) RETURNS smsr.aid
	AS 'MODULE_PATHNAME', 'smsr_aid_in'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_in(cstring) IS 'Input of smsr.aid';

CREATE FUNCTION smsr.aid_out(smsr.aid) RETURNS cstring
	AS 'MODULE_PATHNAME', 'smsr_aid_out'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_out(smsr.aid) IS 'Output of smsr.aid';

CREATE FUNCTION smsr.aid_recv(internal) RETURNS smsr.aid
	AS 'MODULE_PATHNAME', 'smsr_aid_recv'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_recv(internal) IS 'Binary input of smsr.aid: the octets, checked as text is';

CREATE FUNCTION smsr.aid_send(smsr.aid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_aid_send'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_send(smsr.aid) IS 'Binary output of smsr.aid: the octets';

CREATE TYPE smsr.aid (
	INPUT = smsr.aid_in,
	OUTPUT = smsr.aid_out,
	RECEIVE = smsr.aid_recv,
	SEND = smsr.aid_send,
	INTERNALLENGTH = variable,
	ALIGNMENT = int4,
	STORAGE = plain
);
COMMENT ON TYPE smsr.aid IS 'AID: 5 to 16 octets, written in hexadecimal (ISO/IEC 7816-4)';

CREATE FUNCTION smsr.aid_eq(smsr.aid, smsr.aid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_aid_eq'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_eq(smsr.aid, smsr.aid) IS 'Implements the operator for equal';

CREATE FUNCTION smsr.aid_ne(smsr.aid, smsr.aid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_aid_ne'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_ne(smsr.aid, smsr.aid) IS 'Implements the operator for not equal';

CREATE FUNCTION smsr.aid_lt(smsr.aid, smsr.aid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_aid_lt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_lt(smsr.aid, smsr.aid) IS 'Implements the operator for less than';

CREATE FUNCTION smsr.aid_le(smsr.aid, smsr.aid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_aid_le'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_le(smsr.aid, smsr.aid) IS 'Implements the operator for less than or equal';

CREATE FUNCTION smsr.aid_gt(smsr.aid, smsr.aid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_aid_gt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_gt(smsr.aid, smsr.aid) IS 'Implements the operator for greater than';

CREATE FUNCTION smsr.aid_ge(smsr.aid, smsr.aid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_aid_ge'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_ge(smsr.aid, smsr.aid) IS 'Implements the operator for greater than or equal';

CREATE FUNCTION smsr.aid_cmp(smsr.aid, smsr.aid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_aid_cmp'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_cmp(smsr.aid, smsr.aid) IS 'Less than 0, 0 or more than 0, as the first sorts before, with or after the second';

CREATE FUNCTION smsr.aid_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'smsr_aid_sortsupport'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_sortsupport(internal) IS 'Sort support';

CREATE FUNCTION smsr.hash_aid(smsr.aid) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_hash_aid'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.hash_aid(smsr.aid) IS 'Hash';

CREATE FUNCTION smsr.hash_aid_extended(smsr.aid, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'smsr_hash_aid_extended'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION smsr.hash_aid_extended(smsr.aid, bigint) IS 'Hash with a seed, as hash partitioning uses it';

CREATE OPERATOR pg_catalog.= (
	LEFTARG = smsr.aid,
	RIGHTARG = smsr.aid,
	FUNCTION = smsr.aid_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=),
	NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel,
	HASHES,
	MERGES
);
COMMENT ON OPERATOR pg_catalog.= (smsr.aid, smsr.aid) IS 'Equal';

CREATE OPERATOR pg_catalog.<> (
	LEFTARG = smsr.aid,
	RIGHTARG = smsr.aid,
	FUNCTION = smsr.aid_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>),
	NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (smsr.aid, smsr.aid) IS 'Not equal';

CREATE OPERATOR pg_catalog.< (
	LEFTARG = smsr.aid,
	RIGHTARG = smsr.aid,
	FUNCTION = smsr.aid_lt,
	COMMUTATOR = OPERATOR(pg_catalog.>),
	NEGATOR = OPERATOR(pg_catalog.>=),
	RESTRICT = scalarltsel,
	JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (smsr.aid, smsr.aid) IS 'Less than';

CREATE OPERATOR pg_catalog.<= (
	LEFTARG = smsr.aid,
	RIGHTARG = smsr.aid,
	FUNCTION = smsr.aid_le,
	COMMUTATOR = OPERATOR(pg_catalog.>=),
	NEGATOR = OPERATOR(pg_catalog.>),
	RESTRICT = scalarlesel,
	JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (smsr.aid, smsr.aid) IS 'Less than or equal';

CREATE OPERATOR pg_catalog.> (
	LEFTARG = smsr.aid,
	RIGHTARG = smsr.aid,
	FUNCTION = smsr.aid_gt,
	COMMUTATOR = OPERATOR(pg_catalog.<),
	NEGATOR = OPERATOR(pg_catalog.<=),
	RESTRICT = scalargtsel,
	JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (smsr.aid, smsr.aid) IS 'Greater than';

CREATE OPERATOR pg_catalog.>= (
	LEFTARG = smsr.aid,
	RIGHTARG = smsr.aid,
	FUNCTION = smsr.aid_ge,
	COMMUTATOR = OPERATOR(pg_catalog.<=),
	NEGATOR = OPERATOR(pg_catalog.<),
	RESTRICT = scalargesel,
	JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (smsr.aid, smsr.aid) IS 'Greater than or equal';

CREATE OPERATOR CLASS smsr.aid_ops DEFAULT FOR TYPE smsr.aid USING btree AS
	OPERATOR 1 pg_catalog.<,
	OPERATOR 2 pg_catalog.<=,
	OPERATOR 3 pg_catalog.=,
	OPERATOR 4 pg_catalog.>=,
	OPERATOR 5 pg_catalog.>,
	FUNCTION 1 smsr.aid_cmp(smsr.aid, smsr.aid),
	FUNCTION 2 smsr.aid_sortsupport(internal),
	FUNCTION 4 pg_catalog.btequalimage(oid);
COMMENT ON OPERATOR CLASS smsr.aid_ops USING btree IS 'B-tree operators of smsr.aid: the order of octets, a prefix first';
COMMENT ON OPERATOR FAMILY smsr.aid_ops USING btree IS 'B-tree operators of smsr.aid';

CREATE OPERATOR CLASS smsr.aid_ops DEFAULT FOR TYPE smsr.aid USING hash AS
	OPERATOR 1 pg_catalog.=,
	FUNCTION 1 smsr.hash_aid(smsr.aid),
	FUNCTION 2 smsr.hash_aid_extended(smsr.aid, bigint);
COMMENT ON OPERATOR CLASS smsr.aid_ops USING hash IS 'Hash operators of smsr.aid';
COMMENT ON OPERATOR FAMILY smsr.aid_ops USING hash IS 'Hash operators of smsr.aid';

CREATE CAST (text AS smsr.aid) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (text AS smsr.aid) IS 'Reads the text, with every check';

CREATE CAST (smsr.aid AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (smsr.aid AS text) IS 'As it is written';

CREATE FUNCTION smsr.aid(bytea) RETURNS smsr.aid
	AS 'MODULE_PATHNAME', 'smsr_aid_from_bytea'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid(bytea) IS 'Octets as smsr.aid, with every check';

CREATE CAST (bytea AS smsr.aid) WITH FUNCTION smsr.aid(bytea);
COMMENT ON CAST (bytea AS smsr.aid) IS 'Octets as smsr.aid, with every check';

CREATE CAST (smsr.aid AS bytea) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (smsr.aid AS bytea) IS 'The octets';

CREATE FUNCTION smsr.aid_tar(smsr.aid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_aid_tar'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.aid_tar(smsr.aid) IS 'TAR of an AID of 16 octets: its octets 13 to 15 (TS 101 220 annex D); NULL for a shorter AID';

CREATE FUNCTION smsr.isdp_aid(tar int) RETURNS smsr.aid
	AS 'MODULE_PATHNAME', 'smsr_isdp_aid'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.isdp_aid(int) IS 'AID of the ISD-P with this TAR, 16 (000010) to 65535 (00FFFF) (SGP.02 Annex H)';
