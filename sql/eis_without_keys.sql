-- eUICCs whose keys come by another way than their EIS, and key sets that are
-- none of a secure channel: nothing that an EIS says of them is lost.
\set ECHO none
\i sql/card.psql
-- another document of card 1: each pair of arguments is a pattern and what stands in its place
CREATE FUNCTION card.document(VARIADIC edits text[]) RETURNS xml LANGUAGE plpgsql AS $$
DECLARE
	d text := (SELECT document FROM card.euicc WHERE n = 1);
BEGIN
	FOR i IN 1 .. cardinality(edits) BY 2 LOOP
		d := regexp_replace(d, edits[i], edits[i + 1], 'g');
	END LOOP;
	RETURN d::xml;
END $$;
CREATE FUNCTION card.register(VARIADIC edits text[]) RETURNS text LANGUAGE sql AS $$
	SELECT card.try(format('SELECT smsr.register_eis(%L::xml)', card.document(VARIADIC edits)))
$$;
CREATE VIEW card.keysets AS
	SELECT kvn, type, state, counter, check_values FROM smsr.keyset ORDER BY kvn;
CREATE VIEW card.listed AS
	SELECT kvn, type, state, because, counter, keys, check_values, certificate_indexes AS indexes, ca_ids, certificates
	FROM smsr.keyset_listed ORDER BY kvn;
-- one line of a file, whose keys are wrapped: what became of it
CREATE FUNCTION card.import(type text, master text, keys text, check_values text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	TRUNCATE smsr.key_reject;
	INSERT INTO smsr.key_inbox (eid, kvn, type, master, kdd, keys, check_values) VALUES (card.eid(), 2, type, master,
		CASE WHEN master IS NOT NULL THEN '00010203040506070809' END,
		replace(replace(replace(keys, 'W1', '7b159d420bfa8db1fcbf40a10649ea2f'), 'W2', 'cf99fcc7740be3f1d69558a6eed8d17e'), 'W3', '23b5d8971d1d5ed85e8022b30060a070'), check_values);
	r := smsr.import_keys();
	RETURN coalesce((SELECT reason FROM smsr.key_reject), r.imported || ' imported');
END $$;
CREATE TABLE card.more AS SELECT
	'<Keyset><Version>64</Version><Type>SCP81</Type></Keyset>'
	'<Keyset><Version>112</Version><Type>TokenGeneration</Type><Key kcv="1233DD"><Index>1</Index><KeyComponent type="88" value="AAB78636E825A093D6323F6BF0C64FB2"/></Key></Keyset>'
	'<Keyset><Version>113</Version><Type>ReceiptVerification</Type><Cntr>4</Cntr><Key><Index>1</Index><KeyComponent type="A1" value="00C1"/><KeyComponent type="A0" value="03"/></Key></Keyset>'
	'<Keyset><Version>114</Version><Type>ReceiptVerification</Type><Key kcv="9BFD22"><Index>1</Index></Key></Keyset>'
	'<Keyset><Version>116</Version><Type>CA</Type><Certificate><Index>1</Index><CaId>2B0601</CaId><Value>7F21020102</Value></Certificate>'
	'<Certificate><Index>3</Index><CaId>2B0602</CaId><Value>7F2100</Value></Certificate></Keyset></Isd-r>' AS sets;
\set ECHO all
\set VERBOSITY terse

-- ---- key sets of other types, beside one with keys ----

SELECT card.register('</Isd-r>', sets) FROM card.more;
SELECT * FROM card.keysets;
SELECT * FROM card.listed;
SELECT details -> 'listed' AS listed FROM smsr.audit_trail WHERE function = 'register_eis' ORDER BY position DESC LIMIT 1;
-- its own keys are sealed as all are: they open in their place, and are sealed again with the others
SELECT count(*) FROM smsr.check_key_values();
SELECT smsr.create_storage_key() IS NOT NULL AS made, smsr.reseal_keys() AS left_over;
SELECT count(*) FROM smsr.check_key_values();
SELECT kvn, type, check_values, state, protected_by IS NOT NULL AS sealed FROM smsr.key_evidence(card.eid()) WHERE level = 'key set' ORDER BY kvn;
SELECT count(*) FROM smsr.euicc_without_keys;
-- all of them are in the EIS that is shown, without keys; an SM-DP is shown no check values
SELECT xpath('//*[local-name()="Isd-r"]/*[local-name()="Keyset"]', smsr.get_eis(card.eid()))::text AS keysets;
SELECT kind, cardinality(xpath('//*[local-name()="Keyset"]', x)) AS sets, cardinality(xpath('//*[local-name()="Cntr"]', x)) AS counters, cardinality(xpath('//@kcv', x)) AS check_values
	FROM smsr.euicc e, unnest('{OWN,SM-DP,MNO}'::text[]) kind, LATERAL smsr.write_view(kind, ROW(NULL, e, NULL,
		ARRAY(SELECT d FROM smsr.euicc_security_domain d WHERE d.eid = e.eid), NULL, smsr.listed_keysets(e), NULL, NULL)::smsr.eis_writing) x;
-- what does not unwrap, or is another key, is refused as always
TRUNCATE smsr.euicc CASCADE;
SELECT card.register('</Isd-r>', replace(sets, 'kcv="1233DD"', 'kcv="1233DE"')) FROM card.more;
SELECT card.register('</Isd-r>', replace(sets, '<Version>113<', '<Version>112<')) FROM card.more;
SELECT card.register('</Isd-r>', replace(sets, '7F2100', '7F2')) FROM card.more;

-- ---- no keys: refused, unless the setting says otherwise ----

SELECT what, card.register(VARIADIC edits) FROM (VALUES
	('keys without values', ARRAY[' value="[0-9A-F]+"', '']),
	('no components', ARRAY['<KeyComponent [^>]*>', '']),
	('no keys', ARRAY['<Cntr>.*</Key>', ''])) AS v (what, edits);
SET smsr.eis_without_keys = 'accept';
SELECT what, card.register(VARIADIC edits) FROM (VALUES
	('some keys with and some without', ARRAY[' value="AA[0-9A-F]+"', '']),
	('a check value that is none', ARRAY[' value="[0-9A-F]+"', '', 'kcv="1233DD"', 'kcv="12"']),
	('not in order', ARRAY[' value="[0-9A-F]+"', '', '<Index>1<', '<Index>2<']),
	('nothing of a secure channel', ARRAY[' value="[0-9A-F]+"', '', '<Type>SCP80', '<Type>TokenGeneration'])) AS v (what, edits);
SELECT count(*) FROM smsr.euicc;
-- no transport key is needed where nothing is wrapped
DELETE FROM smsr.transport_key;
SELECT card.register(' value="[0-9A-F]+"', '', '<Cntr>0<', '<Cntr>7<');
-- where something is, it is
SELECT card.register('89049032001000000100000090000151', '89049032001000000100000090000248');
SELECT * FROM card.keysets;
SELECT * FROM card.listed;
SELECT eum_id, awaited FROM smsr.euicc_without_keys;
SELECT what, about, cardinality(eids) AS eids, advice FROM smsr.incident;
SELECT kvn, type, check_values, state, protected_by FROM smsr.key_evidence(card.eid()) WHERE level = 'key set';

-- nothing that needs them, and it is said why
SELECT card.operation(smsr.enable_profile(card.eid(), card.iccid(2)));
SELECT card.operation(smsr.audit_eis(card.eid()));
SELECT card.operation(smsr.rotate_keys(card.eid()));
SELECT count(*) FROM smsr.outbound;

-- ---- the keys come ----

SELECT card.in_directory('printf 404142434445464748494a4b4c4d4e4f >transport') AS written \gset
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.1', 'aes-cbc-zero-iv', path || '/transport') FROM card.directory;
SELECT smsr.import_master_key_file('batch', 'kdf3', path || '/transport') FROM card.directory;
-- what the EIS says of them holds: type, check values; and a line need not say it again
SELECT what, card.import(type, master, keys, check_values) FROM (VALUES
	('another type', 'SCP03', 'batch', NULL, NULL),
	('another master key', NULL, 'batch', NULL, NULL),
	('other check values', NULL, 'batch', NULL, 'e79c05d1bd773fde8c'),
	('other keys', NULL, NULL, 'W1 W1 W3', NULL),
	('the right keys, said to be others', NULL, NULL, 'W1 W2 W3', '1233dd9bfd22f5c09b')) AS v (what, type, master, keys, check_values);
SELECT count(*) FROM smsr.euicc_without_keys;
SELECT card.import(NULL, NULL, 'W1 W2 W3', NULL);
SELECT * FROM card.keysets;
SELECT * FROM card.listed;
SELECT count(*) FROM smsr.euicc_without_keys;
SELECT count(*) FROM smsr.incident;
SELECT origin, state, use_count FROM smsr.key_evidence(card.eid()) WHERE level = 'key set';
-- and it is an eUICC as any other
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT cntr, says FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
TRUNCATE smsr.operation, smsr.outbound;

-- a key set of another protocol is awaited and does not stand in the way; its certificates stay
TRUNCATE smsr.euicc CASCADE;
SELECT card.register('</Isd-r>', replace(sets, '<Type>SCP81</Type>', '<Type>SCP81</Type><Certificate><Index>1</Index><CaId>2B06</CaId><Value>7F2100</Value></Certificate>'),
	'<Keyset><Version>11[0-9].*</Keyset></Isd-r>', '</Isd-r>', 'AAB78636E825A093D6323F6BF0C64FB2', '7b159d420bfa8db1fcbf40a10649ea2f', 'F6211271F9E372580A84F416FBADBA6F', 'cf99fcc7740be3f1d69558a6eed8d17e', '6F9B5DF8E1DA1E9E074982E5CE86AA67', '23b5d8971d1d5ed85e8022b30060a070') FROM card.more;
SELECT count(*) FROM smsr.euicc_without_keys;
SELECT * FROM card.listed;
INSERT INTO smsr.key_inbox (eid, kvn, keys, check_values) VALUES (card.eid(), 64, '7b159d420bfa8db1fcbf40a10649ea2f cf99fcc7740be3f1d69558a6eed8d17e', '000000 9bfd22');
SELECT imported, rejected FROM smsr.import_keys();
SELECT * FROM card.keysets;
SELECT * FROM card.listed;
SELECT count(*) FROM smsr.key_evidence(card.eid()) WHERE kvn = 64;
DELETE FROM smsr.master_key;
TRUNCATE smsr.key_reject;
\set ECHO none
\i sql/card_end.psql
