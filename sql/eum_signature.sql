-- The EUM's signature of an EIS: what proves it, what does not, and who is trusted.
-- The documents and certificates are those of test/eis/make-signed.sh.
SET client_min_messages = warning;
LOAD 'smsr';
\set SHOW_CONTEXT never
\pset null '(null)'

CREATE TABLE key_dir (path text);
COPY key_dir FROM PROGRAM 'mktemp -d /tmp/smsr-eum.XXXXXX';
SELECT path AS dir FROM key_dir \gset
\set in_dir 'umask 077; cat > /dev/null; head -c 32 /dev/urandom > ' :dir '/kek'
COPY (SELECT) TO PROGRAM :'in_dir';
\set kek :dir/kek
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT smsr.create_storage_key();
SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.1', 'none');

-- one document or certificate a row; psql reads them, because they are its files
CREATE TABLE document (name text PRIMARY KEY, content text);
CREATE TABLE certificate (name text PRIMARY KEY, content bytea);
\set content `cat test/eis/eis.xml`
INSERT INTO document VALUES ('placeholder', :'content');
\set content `cat test/eis/signed/signed.xml`
INSERT INTO document VALUES ('signed', :'content');
\set content `cat test/eis/signed/inclusive.xml`
INSERT INTO document VALUES ('inclusive', :'content');
\set content `cat test/eis/signed/by-id.xml`
INSERT INTO document VALUES ('by-id', :'content');
\set content `cat test/eis/signed/expired-eum.xml`
INSERT INTO document VALUES ('expired EUM', :'content');
\set content `cat test/eis/signed/unborn-eum.xml`
INSERT INTO document VALUES ('EUM of another millennium', :'content');
\set content `cat test/eis/signed/other-eum.xml`
INSERT INTO document VALUES ('another EUM', :'content');
\set content `cat test/eis/signed/nameless-eum.xml`
INSERT INTO document VALUES ('nameless EUM', :'content');
\set content `cat test/eis/signed/no-eum.xml`
INSERT INTO document VALUES ('no EUM at all', :'content');
\set content `cat test/eis/signed/other-curve.xml`
INSERT INTO document VALUES ('another curve', :'content');
\set content `cat test/eis/signed/other-ci.xml`
INSERT INTO document VALUES ('another CI', :'content');
\set content `cat test/eis/signed/other-key.xml`
INSERT INTO document VALUES ('another key', :'content');
\set content `cat test/eis/signed/ecasd-other-eid.xml`
INSERT INTO document VALUES ('ECASD of another eUICC', :'content');
\set content `cat test/eis/signed/ecasd-expired.xml`
INSERT INTO document VALUES ('ECASD expired', :'content');
\set content `cat test/eis/signed/ecasd-other-key.xml`
INSERT INTO document VALUES ('ECASD by another key', :'content');
\set content `cat test/eis/signed/ecasd-other-ski.xml`
INSERT INTO document VALUES ('ECASD names another key', :'content');
\set content `cat test/eis/signed/ecasd-other-issuer.xml`
INSERT INTO document VALUES ('ECASD names another EUM', :'content');
\set content `cat test/eis/signed/ecasd-truncated.xml`
INSERT INTO document VALUES ('ECASD truncated', :'content');
\set content `cat test/eis/signed/ecasd-other-ca-id.xml`
INSERT INTO document VALUES ('ECASD by another CaId', :'content');
\set content `cat test/eis/signed/ecasd-no-certificate.xml`
INSERT INTO document VALUES ('ECASD without certificate', :'content');
\set content `cat test/eis/signed/two-names-eum.xml`
INSERT INTO document VALUES ('EUM of two names', :'content');
\set content `cat test/eis/signed/ci.pem`
INSERT INTO certificate VALUES ('CI', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/ci_again.pem`
INSERT INTO certificate VALUES ('CI again', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/other_ci.pem`
INSERT INTO certificate VALUES ('another CI', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/eum.pem`
INSERT INTO certificate VALUES ('EUM', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/brainpool.pem`
INSERT INTO certificate VALUES ('EUM, brainpool', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/other.pem`
INSERT INTO certificate VALUES ('another EUM', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/nameless.pem`
INSERT INTO certificate VALUES ('nameless EUM', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/expired.pem`
INSERT INTO certificate VALUES ('expired EUM', convert_to(:'content', 'UTF8'));
\set content `cat test/eis/signed/leaf.pem`
INSERT INTO certificate VALUES ('no EUM at all', convert_to(:'content', 'UTF8'));

CREATE FUNCTION verdict(document text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN r.reason IS NULL THEN 'accepted, ' || coalesce('verified by ' || (r.part).verified_by, 'unverified')
		ELSE format('%s/%s %s: %s', r.subject_code, r.reason_code, coalesce(r.element, 'document'), r.reason) END
	FROM smsr.read_eis(document) AS r
$$;

-- ---- without a trusted CI nothing is proven ----

SHOW smsr.eum_signature;
SELECT name, verdict(content) FROM document WHERE name IN ('placeholder', 'signed', 'by-id') ORDER BY name COLLATE "C";

-- ---- who is trusted ----

SELECT name, subject, issuer, serial, length(key_id) AS key_id, length(issuer_key_id) AS issuer_key_id, curve,
	valid_from AT TIME ZONE 'UTC' AS valid_from, valid_until AT TIME ZONE 'UTC' AS valid_until, is_ca, self_signed, eum_id,
	fingerprint = sha256(der) AS fingerprint
	FROM certificate, smsr.read_certificate(content) ORDER BY name COLLATE "C";
-- DER is as good as PEM, and nothing is as good as either
SELECT count(DISTINCT r) FROM certificate, smsr.read_certificate(content) AS d, smsr.read_certificate(d.der) AS r WHERE name = 'CI';
SELECT smsr.read_certificate(NULL);
SELECT smsr.read_certificate('');
SELECT smsr.read_certificate(der || '\x00') FROM certificate, smsr.read_certificate(content) WHERE name = 'CI';
SELECT smsr.read_certificate(substr(der, 1, length(der) - 1)) FROM certificate, smsr.read_certificate(content) WHERE name = 'CI';

SELECT smsr.trust_ci(content) FROM certificate WHERE name = 'EUM';
SELECT smsr.trust_ci(content) FROM certificate WHERE name = 'no EUM at all';
SELECT smsr.trust_ci(set_byte(der, length(der) - 1, get_byte(der, length(der) - 1) # 1)) FROM certificate, smsr.read_certificate(content) WHERE name = 'CI';
SELECT smsr.trust_eum('1.3.6.1.4.1.99999.1', content) FROM certificate WHERE name = 'EUM';
SELECT smsr.trust_ci(NULL);
SELECT smsr.trust_ci(content, 'CI of the tests') = (SELECT fingerprint FROM smsr.read_certificate(content)) AS trusted FROM certificate WHERE name = 'CI';
SELECT smsr.trust_ci(content) FROM certificate WHERE name = 'CI';
SELECT role, eum_id, subject, serial, length(key_id) AS key_id, curve, comment, added_by = current_user AS added_by FROM smsr.trusted_certificate;

-- ---- what is verified, and what is refused ----

SELECT name, verdict(content) FROM document ORDER BY name COLLATE "C";
-- how a certificate names its EUM is not established: the signature counts in any case
SET smsr.ecasd_issuer = 'any';
SELECT name, verdict(content) FROM document WHERE name IN ('ECASD names another EUM', 'ECASD by another key', 'ECASD by another CaId', 'ECASD names another key') ORDER BY name COLLATE "C";
RESET smsr.ecasd_issuer;
-- the same again from what the backend remembers
SELECT name, verdict(content) FROM document, generate_series(1, 2) WHERE name IN ('signed', 'another EUM', 'expired EUM') ORDER BY name COLLATE "C";

-- an EUM's certificate that comes apart from documents
SELECT smsr.trust_eum('1.3.6.1.4.1.99999.1', content) FROM certificate WHERE name = 'another EUM';
SELECT smsr.trust_eum('1.3.6.1.4.1.99999.1', content) FROM certificate WHERE name = 'expired EUM';
SELECT smsr.trust_eum('1.3.6.1.4.1.99999.1', content) FROM certificate WHERE name = 'no EUM at all';
SELECT smsr.trust_eum('1.3.6.1.4.1.99999.1', content) FROM certificate WHERE name = 'another CI';
SELECT smsr.trust_eum(NULL, content) FROM certificate WHERE name = 'EUM';
SELECT smsr.trust_eum('EUM', content) FROM certificate WHERE name = 'nameless EUM';
-- of two the document is by one
SELECT count(smsr.trust_eum('1.3.6.1.4.1.99999.1', content)) FROM certificate WHERE name = 'EUM';
SELECT verdict(content) FROM document WHERE name = 'by-id';
-- and it says whose a nameless one is
SELECT count(smsr.trust_eum('1.3.6.1.4.1.99999.77', content)) FROM certificate WHERE name = 'nameless EUM';
SELECT verdict(content) FROM document WHERE name = 'nameless EUM';
SELECT count(smsr.distrust(fingerprint)) FROM smsr.trusted_certificate WHERE eum_id = '1.3.6.1.4.1.99999.77';
SELECT count(smsr.trust_eum('1.3.6.1.4.1.99999.1', content)) FROM certificate WHERE name = 'nameless EUM';
SELECT verdict(content) FROM document WHERE name = 'nameless EUM';
SELECT smsr.distrust(fingerprint) FROM certificate, smsr.read_certificate(content) WHERE name = 'nameless EUM';

-- ---- the same document in other words ----

CREATE FUNCTION changed(name text, what text, VARIADIC change text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := (SELECT d.content FROM document AS d WHERE d.name = changed.name);
	before text;
BEGIN
	FOR i IN 1 .. array_length(change, 1) BY 2 LOOP
		before := result;
		result := replace(result, change[i], change[i + 1]);
		IF result = before THEN
			RAISE EXCEPTION '% changes nothing: %', what, change[i];
		END IF;
	END LOOP;
	RETURN result;
END $$;

SELECT what, verdict(changed(name, what, VARIADIC change)) FROM (VALUES
	('a comment in it', 'signed', ARRAY['<EumSignedInfo>', '<EumSignedInfo><!-- </EumSignedInfo> -->']),
	('a comment in a value', 'signed', ARRAY['<Eid>89', '<Eid>89<!-- 00 -->']),
	('a comment in SignedInfo', 'signed', ARRAY['<ds:Reference>', '<ds:Reference><!-- URI -->']),
	('line ends', 'signed', ARRAY[E'\n', E'\r\n']),
	('character references', 'signed', ARRAY['<Eid>89', '<Eid>&#56;&#x39;']),
	('CDATA', 'signed', ARRAY['<PlatformType>sample', '<PlatformType>s<![CDATA[ampl]]>e']),
	('white space in tags', 'signed', ARRAY['<Eid>', E'<Eid\n>', '</Eid>', '</Eid >']),
	('empty elements', 'signed', ARRAY['c14n#"></ds:Transform>', 'c14n#" />']),
	('other quotes', 'signed', ARRAY['"http://www.w3.org/2001/10/xml-exc-c14n#"', '''http://www.w3.org/2001/10/xml-exc-c14n#''']),
	('attributes in another order', 'by-id', ARRAY['Id="info" kind="sample"', 'kind="sample" Id="info"']),
	('what is declared where', 'signed', ARRAY[' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', '', '<Eis', '<Eis xmlns:ds="http://www.w3.org/2000/09/xmldsig#"']),
	('what nobody uses', 'signed', ARRAY['<Eis', '<Eis xmlns:x="urn:x"']),
	('white space elsewhere', 'signed', ARRAY['</EumSignature>', E'</EumSignature>\n\n', '<ds:KeyInfo>', E'<ds:KeyInfo>\n\n']),
	('white space in a certificate', 'signed', ARRAY['<ds:X509Certificate>', E'<ds:X509Certificate>\r\n\t ']),
	('other elements elsewhere', 'signed', ARRAY['<EumSignature', '<New>1</New><EumSignature'])
) AS v (what, name, change);
-- inclusive canonicalisation counts what is declared around
SELECT what, verdict(changed(name, what, VARIADIC change)) FROM (VALUES
	('what nobody uses', 'inclusive', ARRAY['<Eis', '<Eis xmlns:x="urn:x"']),
	('a comment in it', 'inclusive', ARRAY['<EumSignedInfo>', '<EumSignedInfo><!-- -->'])
) AS v (what, name, change);

-- ---- another document ----

SELECT what, verdict(changed(name, what, VARIADIC change)) FROM (VALUES
	('another EID', 'signed', ARRAY['89049032001000000100000090000151</Eid>', '89049032001000000100000090000248</Eid>']),
	('another version', 'signed', ARRAY['<PlatformVersion>1.0.0', '<PlatformVersion>1.0.1']),
	('another capability', 'signed', ARRAY['<HttpSupport>false', '<HttpSupport>true']),
	('an element more', 'signed', ARRAY['<EuiccCapabilities>', '<EuiccCapabilities><New/>']),
	('an element of another namespace', 'signed', ARRAY['<EuiccCapabilities>', '<EuiccCapabilities><x:New xmlns:x="urn:x"/>']),
	('an attribute more', 'signed', ARRAY['<Ecasd>', '<Ecasd new="1">']),
	('white space', 'signed', ARRAY['<Eid>', '<Eid> ']),
	('white space between', 'signed', ARRAY['<Eid>', ' <Eid>']),
	('a processing instruction', 'signed', ARRAY['<EumSignedInfo>', '<EumSignedInfo><?p?>']),
	('the order of elements', 'signed', ARRAY['<PlatformType>sample</PlatformType>', '', '<Ecasd>', '<PlatformType>sample</PlatformType><Ecasd>']),
	('other namespace, same names', 'signed', ARRAY['xmlns="http://namespaces.gsma.org/esim-messaging/3"', 'xmlns="http://namespaces.gsma.org/esim-messaging/1"']),
	('the same namespace, other prefix', 'signed', ARRAY['<Eis', '<Eis xmlns:g="http://namespaces.gsma.org/esim-messaging/3"', '<Eid>', '<g:Eid>', '</Eid>', '</g:Eid>']),
	('names in other cases', 'signed', ARRAY['EumSignedInfo>', 'eumSignedInfo>']),
	('another certificate of the ECASD', 'signed', ARRAY['<Value>7F2181DD93010142', '<Value>7F2181DD93010242']),
	('attributes that differ', 'by-id', ARRAY['Id="info" kind="sample"', 'Id="info" kind="simple"'])
) AS v (what, name, change);
-- whatever octet of it is another one
SELECT e.element, count(*) AS octets,
	count(*) FILTER (WHERE verdict(overlay(d.content PLACING chr(ascii(substr(d.content, at, 1)) # 1) FROM at FOR 1)) LIKE 'accepted%') AS accepted
	FROM document AS d, unnest(ARRAY['EumSignedInfo', 'ds:SignedInfo', 'ds:SignatureValue']) AS e (element),
		generate_series(position('<' || e.element IN d.content), position('</' || e.element IN d.content) + length(e.element) + 2) AS at
	WHERE d.name = 'signed' GROUP BY e.element ORDER BY min(at);

-- ---- signatures that say something else ----

SELECT what, verdict(changed(name, what, VARIADIC change)) FROM (VALUES
	('an XSLT transform', 'signed', ARRAY['<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">', '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116">']),
	('an XPath transform', 'signed', ARRAY['<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">', '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>false()</ds:XPath>']),
	('an enveloped signature', 'signed', ARRAY['<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">', '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature">']),
	('with comments', 'signed', ARRAY['<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">', '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments">']),
	('no algorithm', 'signed', ARRAY['<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">', '<ds:Transform>']),
	('a transform with parameter', 'signed', ARRAY['c14n#"></ds:Transform>', 'c14n#"><ds:XPath/></ds:Transform>']),
	('two transforms', 'signed', ARRAY['</ds:Transforms>', '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>']),
	('no transform in Transforms', 'signed', ARRAY['<ds:Transform ', '<ds:Transfer ', '</ds:Transform>', '</ds:Transfer>']),
	('another canonicalisation', 'signed', ARRAY['<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">', '<ds:CanonicalizationMethod Algorithm="urn:none">']),
	('a MAC', 'signed', ARRAY['http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256', 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256']),
	('SHA-1', 'signed', ARRAY['http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256', 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1']),
	('a digest of SHA-1', 'signed', ARRAY['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2000/09/xmldsig#sha1']),
	('a shortened MAC', 'signed', ARRAY['</ds:SignatureMethod>', '<ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>']),
	('two references', 'signed', ARRAY['</ds:SignedInfo>', '<ds:Reference/></ds:SignedInfo>']),
	('no reference', 'signed', ARRAY['<ds:Reference>', '<ds:Referrer>', '</ds:Reference>', '</ds:Referrer>']),
	('a file of the server', 'signed', ARRAY['<ds:Reference>', '<ds:Reference URI="file:///etc/passwd">']),
	('a document of the net', 'signed', ARRAY['<ds:Reference>', '<ds:Reference URI="http://localhost/">']),
	('an expression', 'signed', ARRAY['<ds:Reference>', '<ds:Reference URI="#xpointer(/)">']),
	('an Id that nobody has', 'signed', ARRAY['<ds:Reference>', '<ds:Reference URI="#info">']),
	('the whole document', 'signed', ARRAY['<ds:Reference>', '<ds:Reference URI="">']),
	('an Object', 'signed', ARRAY['</EumSignature>', '<ds:Object/></EumSignature>']),
	('no SignedInfo', 'signed', ARRAY['ds:SignedInfo>', 'ds:SignedInform>']),
	('SignedInfo of another namespace', 'signed', ARRAY['xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', 'xmlns:ds="urn:ds"']),
	('no SignatureValue', 'signed', ARRAY['ds:SignatureValue>', 'ds:SignatureVolume>']),
	('two signatures', 'signed', ARRAY['<RemainingMemory>', '<EumSignature/><RemainingMemory>']),
	('an empty signature', 'placeholder', ARRAY['<ds:SignedInfo>', '<!--', '</ds:SignatureValue>', '-->']),
	('a signature of another namespace', 'signed', ARRAY['<EumSignature', '<x:EumSignature xmlns:x="urn:x"', '</EumSignature>', '</x:EumSignature>']),
	('no certificate', 'signed', ARRAY['ds:X509Certificate>', 'ds:X509CRL>']),
	('a certificate that is none', 'signed', ARRAY['<ds:X509Certificate>', '<ds:X509Certificate>AAAA']),
	('not in base64', 'signed', ARRAY['<ds:X509Certificate>', '<ds:X509Certificate>-']),
	('an empty certificate', 'signed', ARRAY['<ds:X509Data>', '<ds:X509Data><ds:X509Certificate/>']),
	('too many certificates', 'signed', ARRAY['<ds:X509Data>', '<ds:X509Data>' || repeat('<ds:X509Certificate>AAAA</ds:X509Certificate>', 8)]),
	('a key set of another type', 'signed', ARRAY['<Type>CA</Type>', '<Type>SCP03</Type>'])
) AS v (what, name, change);
-- a key that anybody may have made
SELECT verdict(regexp_replace(content, '<ds:KeyInfo>.*</ds:KeyInfo>', '<ds:KeyInfo><ds:KeyValue/></ds:KeyInfo>')) FROM document WHERE name = 'another EUM';
-- the certificate of one, the signature of another
SELECT verdict(regexp_replace(d.content, '<ds:X509Data>.*</ds:X509Data>', substring(o.content FROM '<ds:X509Data>.*</ds:X509Data>')))
	FROM document AS d, document AS o WHERE d.name = 'another EUM' AND o.name = 'signed';

-- what was signed stands somewhere else, and something else in its place
SELECT what, verdict(replace(d.content, p.part, v.before || p.part || v.after || e.evil || v.behind))
	FROM document AS d, LATERAL (SELECT substring(d.content FROM '<EumSignedInfo.*</EumSignedInfo>') AS part) AS p,
		LATERAL (SELECT replace(p.part, '<PlatformVersion>1.0.0', '<PlatformVersion>6.6.6') AS evil) AS e,
		(VALUES ('beside', '', '', ''), ('around', '<x>', '</x>', ''), ('in another namespace', '<x:x xmlns:x="urn:x">', '</x:x>', '')) AS v (what, before, after, behind)
	WHERE d.name IN ('signed', 'by-id') ORDER BY d.name, what;
SELECT what, verdict(replace(replace(d.content, p.part, e.evil), '</EumSignature>', '</EumSignature><AdditionalProperties>' || p.part || '</AdditionalProperties>'))
	FROM document AS d, LATERAL (SELECT substring(d.content FROM '<EumSignedInfo.*</EumSignedInfo>') AS part) AS p,
		LATERAL (VALUES ('the same Id', replace(p.part, '<PlatformVersion>1.0.0', '<PlatformVersion>6.6.6')),
			('no Id', regexp_replace(replace(p.part, '<PlatformVersion>1.0.0', '<PlatformVersion>6.6.6'), '<EumSignedInfo[^>]*>', '<EumSignedInfo>')),
			('an Id of another kind', regexp_replace(replace(p.part, '<PlatformVersion>1.0.0', '<PlatformVersion>6.6.6'), ' Id=', ' xml:id='))) AS e (what, evil)
	WHERE d.name = 'by-id' ORDER BY what;

-- ---- policies, and what is kept ----

CREATE VIEW proof AS
	SELECT right(eid::text, 4) AS eid, signature IS NOT NULL AS signed, verified_at = e.registered_at AS verified_now, verified_by,
		eum_certificate = (SELECT fingerprint FROM certificate, smsr.read_certificate(content) WHERE name = 'EUM') AS by_eum
	FROM smsr.euicc_signed JOIN smsr.euicc AS e USING (eid);
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'signed';
SELECT * FROM proof;
-- what was kept is what was signed
SELECT * FROM smsr.verify_eis(ARRAY(SELECT eid FROM smsr.euicc));
SELECT position(s.signed_info IN d.content) > 0 AS verbatim FROM smsr.euicc_signed AS s, document AS d WHERE d.name = 'signed';
DELETE FROM smsr.euicc;
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'placeholder';
SELECT smsr.register_eis(replace(content, 'EumSignature', 'Signature')::xml) FROM document WHERE name = 'signed';
\echo :SQLSTATE
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'ECASD expired';
SET smsr.eum_signature = 'verify_if_present';
SELECT name, verdict(content) FROM document WHERE name IN ('signed', 'placeholder', 'another key') ORDER BY name COLLATE "C";
SELECT smsr.register_eis(replace(content, 'EumSignature', 'Signature')::xml) FROM document WHERE name = 'signed';
SELECT * FROM proof;
DELETE FROM smsr.euicc;
SET smsr.eum_signature = 'unchecked';
SELECT name, verdict(content) FROM document WHERE name IN ('signed', 'placeholder', 'another key') ORDER BY name COLLATE "C";
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'placeholder';
SELECT * FROM proof;
DELETE FROM smsr.euicc;
RESET smsr.eum_signature;
-- an EUM registers what it has made, and proves it all the same
BEGIN;
CREATE ROLE regress_smsr_eum;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_eum;
GRANT EXECUTE ON FUNCTION smsr.register_eis(xml) TO regress_smsr_eum;
GRANT SELECT ON document TO regress_smsr_eum;
SELECT smsr.register_party('1.3.6.1.4.1.99999.1', 'EUM', 'Example Cards', 'regress_smsr_eum');
SET ROLE regress_smsr_eum;
SAVEPOINT before;
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'another key';
ROLLBACK TO before;
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'signed';
SELECT smsr.register_eis(replace(content, '>1.3.6.1.4.1.99999.1<', '>1.3.6.1.4.1.99999.77<')::xml) FROM document WHERE name = 'signed';
ROLLBACK;
-- who registers does not decide
CREATE ROLE regress_smsr_eum;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_eum;
SET ROLE regress_smsr_eum;
SET smsr.eum_signature = 'unchecked';
SELECT smsr.trust_ci('\x00');
SELECT count(*) FROM smsr.trusted_certificate;
RESET ROLE;
-- a key officer says who is trusted
GRANT EXECUTE ON FUNCTION smsr.trust_ci(bytea, text), smsr.distrust(bytea), smsr.read_certificate(bytea) TO regress_smsr_eum;
GRANT SELECT ON certificate TO regress_smsr_eum;
SET ROLE regress_smsr_eum;
SELECT count(smsr.trust_ci(content)) FROM certificate WHERE name = 'another CI';
RESET ROLE;
SELECT added_by FROM smsr.trusted_certificate WHERE subject ~ 'Other CI';
SET ROLE regress_smsr_eum;
SELECT smsr.distrust(fingerprint) FROM certificate, smsr.read_certificate(content) WHERE name = 'another CI';
RESET ROLE;
DROP OWNED BY regress_smsr_eum;
DROP ROLE regress_smsr_eum;

-- ---- a batch, and a CI that is trusted no more ----

INSERT INTO smsr.eis_inbox (document) SELECT content FROM document WHERE name IN ('signed', 'another key', 'ECASD expired') ORDER BY name COLLATE "C" DESC;
SELECT * FROM smsr.register_inbox();
SELECT element, reason, subject_code, reason_code FROM smsr.eis_reject ORDER BY line;
DELETE FROM smsr.euicc;
BEGIN;
SELECT smsr.distrust(fingerprint) FROM smsr.trusted_certificate WHERE role = 'CI';
SELECT name, verdict(content) FROM document WHERE name IN ('signed', 'by-id') ORDER BY name COLLATE "C";
ROLLBACK;
SELECT name, verdict(content) FROM document WHERE name IN ('signed', 'by-id') ORDER BY name COLLATE "C";
-- another one of the same name, with another key
SELECT count(smsr.trust_ci(content)) FROM certificate WHERE name = 'CI again';
SELECT verdict(content) FROM document WHERE name = 'signed';
SELECT smsr.distrust(fingerprint) FROM smsr.trusted_certificate WHERE comment = 'CI of the tests';
SELECT verdict(content) FROM document WHERE name = 'signed';
SELECT count(smsr.trust_ci(content)) FROM certificate WHERE name = 'another CI';
SELECT verdict(content) FROM document WHERE name = 'another CI';
SELECT smsr.distrust('\x00');
-- a row that somebody has changed is trusted no more
UPDATE smsr.trusted_certificate SET certificate = '\x00' WHERE subject ~ 'Other CI';
SELECT verdict(content) FROM document WHERE name = 'another CI';

-- ---- those that are registered, later ----

SELECT count(smsr.distrust(fingerprint)) FROM smsr.trusted_certificate;
SET smsr.eum_signature = 'unchecked';
SELECT smsr.register_eis(content::xml) FROM document WHERE name = 'signed';
RESET smsr.eum_signature;
SELECT * FROM smsr.verify_eis(ARRAY(SELECT eid FROM smsr.euicc));
SELECT * FROM proof;
SELECT count(smsr.trust_ci(content)) FROM certificate WHERE name = 'CI';
SELECT * FROM smsr.verify_eis(ARRAY(SELECT eid FROM smsr.euicc));
SELECT eid, signed, verified_by, by_eum FROM proof;
-- what was proven once is not forgotten when it can not be proven again
SELECT count(smsr.distrust(fingerprint)) FROM smsr.trusted_certificate;
SELECT * FROM smsr.verify_eis(ARRAY(SELECT eid FROM smsr.euicc));
SELECT eid, signed, verified_by, by_eum FROM proof;
SELECT count(smsr.trust_ci(content)) FROM certificate WHERE name = 'CI';
-- tampered with in the table
SELECT what, v.reason FROM (VALUES ('value', '<PlatformVersion>1.0.0', '<PlatformVersion>1.0.1'), ('comment', '<Ecasd>', '<Ecasd><!-- -->')) AS c (what, a, b),
	LATERAL (SELECT s.eid, replace(s.signed_info, c.a, c.b), s.signature, s.namespaces, NULL::timestamptz, NULL::text, NULL::bytea FROM smsr.euicc_signed AS s) AS t,
	LATERAL smsr.read_signed(ROW(t.*)::smsr.euicc_signed) AS v ORDER BY what;
UPDATE smsr.euicc_signed SET signature = NULL;
SELECT * FROM smsr.verify_eis(ARRAY(SELECT eid FROM smsr.euicc));
DELETE FROM smsr.euicc;

-- ---- no trace ----

DELETE FROM smsr.trusted_certificate;
DELETE FROM smsr.eis_reject;
DELETE FROM smsr.transport_key;
DELETE FROM smsr.storage_key;
ALTER SYSTEM RESET smsr.kek_file;
SELECT pg_reload_conf();
\set in_dir 'cat > /dev/null; rm -r ' :dir
COPY (SELECT) TO PROGRAM :'in_dir';
DROP VIEW proof;
DROP FUNCTION verdict, changed;
DROP TABLE key_dir, document, certificate;
