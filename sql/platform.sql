-- Platform management: questions to the ISD-R, and update packages of EUMs chunk by
-- chunk, refused, in doubt, and gone on with.
\set ECHO none
\i sql/card.psql
\set ECHO all
SELECT card.reset();
\pset null -
SELECT smsr.register_party('1.3.6.1.4.1.99999.21', 'EUM', 'another EUM');
INSERT INTO smsr.party (oid, kind, name) SELECT e.eum_id, 'EUM', 'EUM' FROM smsr.euicc e WHERE e.eid = card.eid() ON CONFLICT DO NOTHING;
SELECT eum_id AS eum, platform_type AS type FROM smsr.euicc WHERE eid = card.eid() \gset
CREATE FUNCTION card.chunk(n int) RETURNS bytea LANGUAGE sql AS $$
	SELECT card.tlv('22', decode('84E2000008' || repeat(lpad(to_hex(n), 2, '0'), 8), 'hex'))
$$;
CREATE VIEW card.updates AS
	SELECT u.name, u.version, u.first, u.chunks, u.carried_out, u.in_doubt, u.state, u.because FROM smsr.platform_update u ORDER BY u.operation_id;
CREATE VIEW card.results AS
	SELECT r.chunk, r.por_status, to_hex(r.sw) AS sw, r.carried_out, encode(r.response, 'hex') AS response
	FROM smsr.platform_result r ORDER BY r.operation_id, r.chunk;

-- ---- questions ----

SELECT smsr.manage_platform(card.eid(), '{"\\x80CA00E000", "\\x80F28002024F0000"}', call_id => 'q1') AS op \gset
SELECT smsr.manage_platform(card.eid(), '{"\\x80CA00E000"}', call_id => 'q1') = :op AS same;
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script, encode(tar, 'hex') AS tar FROM card.last(1);
-- the card ran the first, and the second came out as it did
SELECT array_to_string(card.say(113, card.response(card.r_script('\xE0009000', '\xE3006310')), (card.last(1)).destination), ', ');
SELECT card.operation(:op);
SELECT r_apdus FROM smsr.operation o, smsr.script_response(o.response_data) WHERE o.id = :op;
SELECT smsr.manage_platform(card.eid(), '{"\\x80CA00E000"}') AS op \gset
SELECT count(*) FROM card.take();
SELECT card.answer('6A88');
SELECT card.operation(:op);
-- asked again where the answer was lost
SELECT smsr.manage_platform(card.eid(), '{"\\x80CA00E000"}') AS op \gset
SELECT count(*) FROM card.take();
SELECT smsr.handle_event(card.eid(), :op, 'lost');
SELECT count(*) FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
-- what changes anything is no question
SELECT card.try('SELECT smsr.manage_platform(card.eid(), ''{"\\x80E40040124F10A0000005591010FFFFFFFF8900001000"}'')');
SELECT card.try('SELECT smsr.manage_platform(card.eid(), ''{"\\x80CA00E000", "\\x80F240020F4F00"}'')');
SELECT card.try('SELECT smsr.manage_platform(card.eid(), ''{}'')');
SELECT card.try('SELECT smsr.manage_platform(card.eid(), ''{"\\x80CA00E000", NULL}'')');
SELECT card.operation(smsr.manage_platform('89001012012341234012345678901224', '{"\\x80CA00E000"}'));

-- ---- packages ----

SELECT card.try(format('SELECT smsr.load_platform_package(%L, ''patch'', ''1.1'', ''{}'')', :'eum'));
SELECT card.try(format('SELECT smsr.load_platform_package(%L, ''patch'', ''1.1'', ''{"\\x2205"}'')', :'eum'));
SELECT card.try('SELECT smsr.load_platform_package(''1.3.6.1.4.1.99999.3'', ''patch'', ''1.1'', ''{"\\x2200"}'')');
SELECT smsr.load_platform_package(:'eum', 'patch', '1.1', ARRAY[card.chunk(1), card.chunk(2), card.chunk(3)], :'type') AS package \gset
SELECT smsr.load_platform_package(:'eum', 'patch', '1.1', ARRAY[card.chunk(1), card.chunk(2), card.chunk(3)], :'type') = :'package' AS same;
SELECT card.try(format('SELECT smsr.load_platform_package(%L, ''patch'', ''1.1'', ARRAY[card.chunk(1)])', :'eum'));
SELECT card.try(format('SELECT smsr.load_platform_package(%L, ''patch'', ''1.2'', ARRAY[card.chunk(1), card.chunk(2), card.chunk(3)])', :'eum'));
SELECT name, version, chunks, octets, withdrawn_at FROM smsr.platform_package;
SELECT smsr.load_platform_package('1.3.6.1.4.1.99999.21', 'patch', '1.1', ARRAY[card.chunk(9)]) AS foreign_package \gset
SELECT smsr.load_platform_package(:'eum', 'other', '1.1', ARRAY[card.chunk(8)], 'another type') AS other_package \gset

-- ---- from beginning to end ----

SELECT smsr.update_platform(card.eid(), :'package') AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script, encode(tar, 'hex') AS tar FROM card.last(1);
SELECT card.answer();
-- one at a time, and each once
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS behind \gset
SELECT card.operation(:op), card.operation(:behind);
SELECT count(*) FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('9000', '\xCAFE');
SELECT count(*) FROM card.take();
SELECT card.answer();
SELECT card.operation(:op), card.operation(:behind);
SELECT * FROM card.updates;
SELECT * FROM card.results;
SELECT card.reset();

-- ---- to whom it goes ----

SELECT card.operation(smsr.update_platform(card.eid(), :'foreign_package'));
SELECT card.operation(smsr.update_platform(card.eid(), :'other_package'));
SELECT card.try('SELECT smsr.update_platform(card.eid(), ''\x00'')');
SELECT card.operation(smsr.update_platform('89001012012341234012345678901224', :'package'));

-- ---- refused ----

SELECT smsr.update_platform(card.eid(), :'package') AS op \gset
SELECT count(*) FROM card.take();
SELECT card.answer();
SELECT count(*) FROM card.take();
SELECT card.answer('6985');
SELECT card.operation(:op);
SELECT count(*) FROM card.take();
-- nobody can say that a refused chunk was carried out
SELECT card.try(format('SELECT smsr.resume_platform_update(card.eid(), %s, 3)', :op));
SELECT card.try(format('SELECT smsr.resume_platform_update(card.eid(), %s, NULL)', :op));
SELECT smsr.resume_platform_update(card.eid(), :op, 2) AS op2 \gset
SELECT arguments - 'package' - 'resumes' AS arguments, (arguments ->> 'resumes')::bigint = :op AS resumes FROM smsr.operation WHERE id = :op2;
SELECT card.try(format('SELECT smsr.resume_platform_update(card.eid(), %s, 2)', :op2));

-- ---- in doubt ----

SELECT count(*) FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT smsr.handle_event(card.eid(), :op2, 'lost');
SELECT card.operation(:op2);
SELECT card.try(format('SELECT smsr.resume_platform_update(card.eid(), %s, 1)', :op2));
-- a person knows that the card had it
SELECT smsr.resume_platform_update(card.eid(), :op2, 3) AS op3 \gset
SELECT count(*) FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
-- the SMSC doubled it, or the answer was lost: nothing is said of it, and nothing sent anew
SELECT card.refuse(2);
SELECT card.answer();
SELECT card.operation(:op3);
SELECT * FROM card.updates;
SELECT * FROM card.results;
SELECT card.try(format('SELECT smsr.resume_platform_update(card.eid(), %s, 4)', :op3));
SELECT card.try('SELECT smsr.resume_platform_update(card.eid(), 1, 1)');
-- never sent: nothing is in doubt
SELECT smsr.update_platform(card.eid(), :'package', validity => '1 minute') AS op \gset
SELECT smsr.handle_event(card.eid(), :op, 'deadline');
SELECT card.operation(:op);
SELECT in_doubt, carried_out FROM smsr.platform_update WHERE operation_id = :op;
SELECT * FROM smsr.unknown_outcome;

-- ---- withdrawn ----

SELECT smsr.withdraw_platform_package(:'package'), smsr.withdraw_platform_package(:'package');
SELECT card.operation(smsr.update_platform(card.eid(), :'package'));
SELECT card.operation(smsr.resume_platform_update(card.eid(), :op, 1));

-- ---- a second person ----

CREATE ROLE regress_smsr_second;
SELECT smsr.set_approval_rule('update_platform', 'regress_smsr_second'), smsr.set_approval_rule('load_platform_package', 'regress_smsr_second');
SET client_min_messages = error;
SELECT smsr.load_platform_package(:'eum', 'patch', '2', ARRAY[card.chunk(1)]);
SELECT count(*) FROM smsr.platform_package WHERE version = '2';
-- what is refused anyway is asked of nobody
SELECT card.operation(smsr.update_platform(card.eid(), :'package'));
UPDATE smsr.platform_package SET withdrawn_at = NULL WHERE sha256 = :'package';
SELECT smsr.update_platform(card.eid(), :'package');
SELECT function, euiccs, decision FROM smsr.approval ORDER BY id;
UPDATE smsr.approval SET decision = 'approved', decided_by = 'regress_smsr_second', decided_at = now() WHERE function = 'update_platform';
SELECT card.operation(smsr.update_platform(card.eid(), :'package'));
SELECT smsr.update_platform(card.eid(), :'package');
SET client_min_messages = warning;
DELETE FROM smsr.approval;
DELETE FROM smsr.approval_rule;
DROP ROLE regress_smsr_second;

-- ---- who may ----

SELECT function, array_agg(kind) FROM smsr.authority_rules() WHERE function IN ('manage_platform', 'update_platform') GROUP BY 1 ORDER BY 1;
SELECT function, status, count(*) FROM smsr.audit_trail WHERE function LIKE '%platform%' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM card.faults();
DELETE FROM smsr.platform_package;
DELETE FROM smsr.platform_result;
\set ECHO none
\i sql/card_end.psql
