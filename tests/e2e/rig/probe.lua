-- Proves that miltertest, and the way the rig runs it, works: one message to a milter that continues throughout.
local conn = mt.connect(socket)
if conn == nil then error("no connection to " .. socket) end
if mt.conninfo(conn, "client.test", "192.0.2.1") ~= nil then error("connect") end
mt.macro(conn, SMFIC_MAIL, "{auth_type}", "PLAIN", "{auth_authen}", "alice@example.test")
if mt.mailfrom(conn, "<alice@example.test>") ~= nil then error("mail") end
if mt.getreply(conn) ~= SMFIR_CONTINUE then error("mail: not continued") end
if mt.rcptto(conn, "<dest@remote.test>") ~= nil then error("rcpt") end
if mt.header(conn, "Subject", "probe") ~= nil then error("header") end
if mt.eoh(conn) ~= nil then error("eoh") end
if mt.eom(conn) ~= nil then error("eom") end
if mt.getreply(conn) ~= (wanted == "continue" and SMFIR_CONTINUE or SMFIR_ACCEPT) then error("eom: not " .. wanted) end
mt.disconnect(conn)
